//! Who acts, and what they may do. Checked at every action.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    id::{PrincipalId, TenantId},
    job::Job,
    tenant::JobRef,
};

/// A bundle of permissions with a name people know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks, changes nothing.
    Viewer,
    /// Submits, runs, stops and approves jobs; deploys to staging.
    Operator,
    /// Everything.
    Admin,
}

/// One thing a principal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// Submit a job.
    #[serde(rename = "job:create")]
    JobCreate,
    /// See jobs, logs and artifacts.
    #[serde(rename = "job:read")]
    JobRead,
    /// Change labels or resolve a stuck job.
    #[serde(rename = "job:update")]
    JobUpdate,
    /// Remove a job.
    #[serde(rename = "job:delete")]
    JobDelete,
    /// Let a job run.
    #[serde(rename = "job:execute")]
    JobExecute,
    /// Stop a job.
    #[serde(rename = "job:abort")]
    JobAbort,
    /// Decide on a waiting job that somebody else asked for.
    #[serde(rename = "job:approve")]
    JobApprove,
    /// Deploy to any environment but production.
    #[serde(rename = "deploy:staging")]
    DeployStaging,
    /// Deploy to production.
    #[serde(rename = "deploy:production")]
    DeployProduction,
    /// Bring back an earlier release.
    #[serde(rename = "deploy:rollback")]
    DeployRollback,
    /// Manage users and tokens.
    #[serde(rename = "admin:users")]
    AdminUsers,
    /// Manage the installation.
    #[serde(rename = "admin:settings")]
    AdminSettings,
    /// Manage policies.
    #[serde(rename = "admin:policies")]
    AdminPolicies,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 13] = [
        Self::JobCreate,
        Self::JobRead,
        Self::JobUpdate,
        Self::JobDelete,
        Self::JobExecute,
        Self::JobAbort,
        Self::JobApprove,
        Self::DeployStaging,
        Self::DeployProduction,
        Self::DeployRollback,
        Self::AdminUsers,
        Self::AdminSettings,
        Self::AdminPolicies,
    ];

    /// What deploying to `environment` needs: `production` and `prod` (in any case, also as the
    /// last part after `-`, `_`, `/` or `.`) need [`Permission::DeployProduction`].
    pub fn to_deploy(environment: &str) -> Self {
        let name = environment.to_ascii_lowercase();
        let last = name.rsplit(['-', '_', '/', '.']).next().unwrap_or(&name);
        match last {
            "production" | "prod" | "live" => Self::DeployProduction,
            _ => Self::DeployStaging,
        }
    }

    /// The permission's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobCreate => "job:create",
            Self::JobRead => "job:read",
            Self::JobUpdate => "job:update",
            Self::JobDelete => "job:delete",
            Self::JobExecute => "job:execute",
            Self::JobAbort => "job:abort",
            Self::JobApprove => "job:approve",
            Self::DeployStaging => "deploy:staging",
            Self::DeployProduction => "deploy:production",
            Self::DeployRollback => "deploy:rollback",
            Self::AdminUsers => "admin:users",
            Self::AdminSettings => "admin:settings",
            Self::AdminPolicies => "admin:policies",
        }
    }
}

impl Role {
    /// Whether the role includes the permission.
    pub const fn grants(self, permission: Permission) -> bool {
        match self {
            Self::Admin => true,
            Self::Viewer => matches!(permission, Permission::JobRead),
            Self::Operator => matches!(
                permission,
                Permission::JobCreate
                    | Permission::JobRead
                    | Permission::JobUpdate
                    | Permission::JobExecute
                    | Permission::JobAbort
                    | Permission::JobApprove
                    | Permission::DeployStaging
                    | Permission::DeployRollback
            ),
        }
    }

    /// The role's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Who acts: an identity of one tenant with roles and single permissions beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Who.
    pub id: PrincipalId,
    /// Of which tenant. A principal sees nothing of any other.
    pub tenant: TenantId,
    /// The roles held.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Permissions beside those of the roles.
    #[serde(default)]
    pub permissions: BTreeSet<Permission>,
}

impl Principal {
    /// A principal with one role.
    pub fn new(id: PrincipalId, tenant: TenantId, role: Role) -> Self {
        Self { id, tenant, roles: BTreeSet::from([role]), permissions: BTreeSet::new() }
    }

    /// Whether the principal may do it.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
            || self.roles.iter().any(|role| role.grants(permission))
    }

    /// Refuses what the principal may not do.
    ///
    /// # Errors
    /// `Denied`, naming the permission that is missing.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, "the principal lacks a permission")
            .code("permission_denied")
            .context("principal", &self.id)
            .context("permission", permission.as_str())
            .advice("ask an administrator for a role that includes it"))
    }

    /// Refuses a job of another tenant, in the same words as a job that does not exist.
    ///
    /// # Errors
    /// `NotFound` for another tenant's job, `Denied` for a missing permission.
    pub fn require_on(&self, permission: Permission, job: &JobRef) -> Result<()> {
        if job.tenant != self.tenant {
            return Err(Error::not_found("no such job").context("job", &job.id));
        }
        self.require(permission)
    }

    /// Refuses an approval by whoever asked for the change.
    ///
    /// # Errors
    /// `Denied` with code `self_approval`, or as [`Principal::require_on`].
    pub fn require_to_approve(&self, job: &Job) -> Result<()> {
        self.require_on(Permission::JobApprove, &job.reference())?;
        if job.requested_by != self.id {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, "whoever asked for a change cannot approve it")
            .code("self_approval")
            .context("principal", &self.id)
            .context("job", &job.id)
            .advice("ask another principal with the permission job:approve"))
    }
}
