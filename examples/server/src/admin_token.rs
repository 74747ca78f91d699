//! The first administrator's token: made at the very first start, left in a file that only the
//! owner can read.
//!
//! The file is on the disk before the token works, so whoever dies in between leaves a file that
//! opens nothing, which the next start replaces, and never a token that nobody has. What such a
//! start left half written beside the file is removed by the next. Of two first starts at once the
//! second waits for the first: a lock holds between file and record, and dies with its holder.

use std::{fs::File, path::PathBuf};

use matrix_architect_core::{
    error::{Error, Result},
    id::{PrincipalId, TenantId},
    principal::Role,
};

use crate::{
    home::{Home, read_private, sweep, unusable, write_atomically},
    token::{NewToken, Tokens},
};

const ANOTHER: &str = "make another with: architect token create --role admin";

/// How a start found the administrator's token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminToken {
    /// There was no token at all: it was made and is in this file.
    Made(PathBuf),
    /// It is in its file, or others have taken its place.
    InPlace,
    /// It is the only token there is, and its file is gone.
    Gone(PathBuf),
    /// This file holds one that does not work, for instance because it was revoked. It is left as
    /// it is: a revoked token must not come back by a restart.
    Dead(PathBuf),
}

impl AdminToken {
    /// Makes the token if there is none at all, and looks whether its file is of use if there is.
    ///
    /// # Errors
    /// `Unavailable` if the disk or the records fail; the token does then not work. `Denied` if others
    /// can read its file.
    pub(crate) async fn ensure(home: &Home, tokens: &Tokens) -> Result<Self> {
        let _turn = turn(home).await?;
        let (tenant, path) = (TenantId::default(), home.admin_token());
        sweep(&path);
        if tokens.is_empty(&tenant).await? {
            let new =
                NewToken { name: PrincipalId::new("admin")?, role: Role::Admin, lifetime: None };
            let minted = tokens.mint(&tenant, new)?;
            write_atomically(&path, format!("{}\n", minted.token.expose()).as_bytes(), 0o600)?;
            tokens.keep(&minted).await?;
            return Ok(Self::Made(path));
        }
        if !path.exists() {
            let known = tokens.list(&tenant).await?;
            let only = matches!(&known[..], [only] if is_first(only));
            return Ok(if only { Self::Gone(path) } else { Self::InPlace });
        }
        let text = read_private(&path)?;
        match tokens.authenticate(String::from_utf8_lossy(&text).trim()).await {
            Ok(_) => Ok(Self::InPlace),
            Err(error) if error.code_str() == "unauthenticated" => Ok(Self::Dead(path)),
            Err(error) => Err(error),
        }
    }

    /// What whoever starts the server should know of it, if anything.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Made(path) => {
                Some(format!("wrote the first administrator's token to {}", path.display()))
            }
            Self::InPlace => None,
            Self::Gone(path) => Some(format!(
                "the administrator's token is not in {} any more; if nobody has it, {ANOTHER}",
                path.display()
            )),
            Self::Dead(path) => Some(format!(
                "the token in {} does not work; remove the file, or {ANOTHER}",
                path.display()
            )),
        }
    }
}

/// Waits until no other start is at it. The data directory itself is what is locked, until the file
/// is dropped.
async fn turn(home: &Home) -> Result<File> {
    let path = home.path().to_owned();
    let locked = tokio::task::spawn_blocking(move || {
        let directory = File::open(&path).map_err(|cause| unusable(&path, cause))?;
        directory.lock().map_err(|cause| unusable(&path, cause))?;
        Ok(directory)
    });
    locked.await.map_err(|cause| Error::unexpected("a start broke off").source(cause))?
}

fn is_first(info: &crate::token::TokenInfo) -> bool {
    info.name.as_str() == "admin" && info.role == Role::Admin
}

#[cfg(test)]
mod tests;
