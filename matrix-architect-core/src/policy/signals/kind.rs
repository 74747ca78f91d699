//! The names of all signals, and what each weighs unless the rules say otherwise.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::RiskLevel;

/// What a signal weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Points it adds, once for each step of those signals that have steps.
    pub points: u32,
    /// The level it alone demands.
    #[serde(default)]
    pub floor: RiskLevel,
}

macro_rules! signals {
    ($($(#[doc = $doc:literal])* $kind:ident = $name:literal, $points:literal, $floor:ident;)*) => {
        /// A reason for risk that the built-in policy knows.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum SignalKind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl SignalKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What it weighs unless the rules say otherwise.
            pub const fn weight(self) -> Weight {
                match self {
                    $(Self::$kind => Weight { points: $points, floor: RiskLevel::$floor },)*
                }
            }
        }
    };
}

signals! {
    /// It touches `.matrix/`: the checks, lists and rules that judge changes.
    TouchesJudge = "touches_judge", 60, Critical;
    /// The scan of added lines found something that looks like a secret.
    SecretFound = "secret_found", 60, Critical;
    /// A locked dependency has another checksum under the same version.
    IntegrityChanged = "integrity_changed", 60, Critical;
    /// Added text or a path reads differently from what it is: bidirectional or invisible characters,
    /// letters that look alike, line breaks that no diff shows.
    DeceptiveText = "deceptive_text", 50, High;
    /// A dependency comes from elsewhere than the others: another host, a repository, a replacement.
    RegistryChanged = "registry_changed", 45, High;
    /// Tool configuration asks less than before (a lint allowed, tests left out, a bar lowered), or
    /// the request itself does without the security scan.
    ChecksLoosened = "checks_loosened", 40, High;
    /// Something new runs when the project is installed or built.
    InstallScript = "install_script", 40, High;
    /// A migration drops or alters and has no way back.
    MigrationIrreversible = "migration_irreversible", 40, High;
    /// The change could not be read in full.
    UnreadableInput = "unreadable_input", 40, High;
    /// It touches what tools run without being asked: hooks, editor tasks, tool configuration.
    ExecutableHook = "executable_hook", 35, High;
    /// It touches the configuration of continuous integration.
    TouchesCi = "touches_ci", 30, High;
    /// It touches authentication or permissions.
    TouchesAuth = "touches_auth", 30, High;
    /// It touches cryptography or keys.
    TouchesCrypto = "touches_crypto", 30, High;
    /// It touches payments.
    TouchesPayments = "touches_payments", 30, High;
    /// It touches infrastructure as code.
    TouchesInfrastructure = "touches_infrastructure", 30, High;
    /// It removes something from a public interface.
    BreakingChange = "breaking_change", 30, High;
    /// It adds a symbolic link, or leads one elsewhere.
    Symlink = "symlink", 30, High;
    /// It removes more tests than it adds.
    TestsDeleted = "tests_deleted", 30, High;
    /// A lockfile changed and no manifest did.
    LockfileWithoutManifest = "lockfile_without_manifest", 25, High;
    /// It skips tests.
    TestsSkipped = "tests_skipped", 25, Medium;
    /// It removes more assertions than it adds, or adds ones that cannot fail.
    AssertionsRemoved = "assertions_removed", 25, Medium;
    /// It silences a tool at one place in the code.
    ChecksSuppressed = "checks_suppressed", 10, Low;
    /// It touches configuration of the tools that judge it, or a program that a check runs.
    TouchesToolConfiguration = "touches_tool_configuration", 15, Medium;
    /// It touches a file that a build runs.
    BuildScript = "build_script", 20, Medium;
    /// It touches how containers are built or composed.
    TouchesContainer = "touches_container", 20, Medium;
    /// It touches code of others that is kept here: nobody reads it as their own.
    VendoredCode = "vendored_code", 20, Medium;
    /// It touches under which terms the project may be used.
    TouchesLicence = "touches_licence", 15, Medium;
    /// It adds or changes content that is not text.
    BinaryFile = "binary_file", 20, Medium;
    /// It makes a file executable.
    MadeExecutable = "made_executable", 20, Medium;
    /// It is deployed to production.
    Production = "production", 20, Medium;
    /// The tests reach less of the code.
    CoverageDrop = "coverage_drop", 20, Medium;
    /// A check that is not required failed or warned.
    CheckFailed = "check_failed", 15, Medium;
    /// A check that is not required could not be decided, or one that was asked for did not run.
    CheckMissing = "check_missing", 15, Medium;
    /// It adds a dependency.
    NewDependency = "new_dependency", 15, Medium;
    /// It changes a database's schema.
    Migration = "migration", 15, Medium;
    /// It changes a manifest's dependencies and no lockfile.
    ManifestWithoutLockfile = "manifest_without_lockfile", 10, Low;
    /// A tool wrote it.
    AuthoredByTool = "authored_by_tool", 5, Low;
    /// It changes many lines; in steps.
    ManyLines = "many_lines", 10, Low;
    /// It changes many files; in steps.
    ManyFiles = "many_files", 5, Low;
    /// It changes files in many folders; in steps.
    ManyFolders = "many_folders", 5, Low;
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
