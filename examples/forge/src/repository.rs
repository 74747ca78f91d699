//! A repository that is served, seen from its own machine.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::{give_away, run};

/// A bare repository.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    pub(crate) fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).expect("a folder of ours");
        let repository = Self { path };
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        repository.git(&["config", "http.receivepack", "true"]);
        repository
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in a URL.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Runs git in it and returns what it printed.
    pub fn git(&self, words: &[&str]) -> String {
        let printed = run(self.command().args(words));
        give_away(&self.path);
        printed
    }

    /// Adds a commit with these files to a branch, which is made if there is none, and returns the
    /// commit's name. A file that begins with `commit:` is a submodule.
    pub fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let index = self.path.join("forge-index");
        let _ = fs::remove_file(&index);
        let name = format!("refs/heads/{branch}");
        let parent = self.tip(branch);
        let staged = |words: &[&str]| run(self.command().env("GIT_INDEX_FILE", &index).args(words));
        if let Some(parent) = &parent {
            staged(&["read-tree", parent]);
        }
        for (path, content) in files {
            let entry = if let Some(commit) = content.strip_prefix("commit:") {
                format!("160000,{commit},{path}")
            } else {
                let file = self.path.join("forge-file");
                fs::write(&file, content).expect("a folder of ours");
                let blob = staged(&["hash-object", "-w", &file.display().to_string()]);
                format!("100644,{blob},{path}")
            };
            staged(&["update-index", "--add", "--cacheinfo", &entry]);
        }
        let tree = staged(&["write-tree"]);
        let mut words = vec!["commit-tree", "-m", "a step", &tree];
        if let Some(parent) = &parent {
            words.extend(["-p", parent]);
        }
        let commit = staged(&words);
        self.git(&["update-ref", &name, &commit]);
        commit
    }

    /// Where a branch is.
    pub fn tip(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        let printed = self.git(&["for-each-ref", "--format=%(objectname)", &name]);
        Some(printed).filter(|commit| !commit.is_empty())
    }

    /// Lets the server run this at that moment; see githooks(5).
    pub fn hook(&self, moment: &str, script: &str) {
        let path = self.path.join("hooks").join(moment);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a folder of ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file of ours");
        give_away(&path);
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(&self.path)
            .env("GIT_DIR", &self.path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            // It belongs to nobody if we are root.
            .envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory")])
            .env("GIT_CONFIG_VALUE_0", "*");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "somebody");
            command.env(format!("GIT_{role}_EMAIL"), "somebody@localhost");
        }
        command
    }
}
