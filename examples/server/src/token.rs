//! Access tokens: made once, shown once, kept only as a hash.
//!
//! A token is `arch_ID_SECRET_TENANT`. The id finds the record, the secret is 256 random bits whose
//! SHA-256 is stored: nothing slower is needed for a secret nobody chose. The tenant is part of the
//! token, so that no record is ever looked up without one.

use std::{fmt, sync::Arc, time::Duration};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::{Digest, PrincipalId, TenantId, hex},
    pipeline::Version,
    principal::{Principal, Role},
    time::Timestamp,
    traits::{Clock, Record, RecordKey, Records},
};
use serde::{Deserialize, Serialize};

const KIND: &str = "token";
const PREFIX: &str = "arch";

/// What is known of a token; never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// The token's id, which is also part of it.
    pub id: String,
    /// Whom it stands for.
    pub name: PrincipalId,
    /// What its holder may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    info: TokenInfo,
    hash: Digest,
}

/// A token as its holder has it. `Debug` does not show it.
#[derive(Clone)]
pub struct Token {
    id: String,
    secret: String,
    tenant: TenantId,
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '_');
        let (prefix, id, secret, tenant) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let legal = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        (prefix == PREFIX && legal(id, 16) && legal(secret, 64)).then_some(())?;
        let tenant = TenantId::new(tenant).ok()?;
        Some(Self { id: id.to_owned(), secret: secret.to_owned(), tenant })
    }

    /// The token as text. It is shown once, to whoever made it.
    pub fn expose(&self) -> String {
        format!("{PREFIX}_{}_{}_{}", self.id, self.secret, self.tenant)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, ..)", self.id)
    }
}

/// Who asks for a new token, and for whom.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whom it stands for: the principal that its requests act as.
    pub name: PrincipalId,
    /// What its holder may do.
    pub role: Role,
    /// How long it works; for ever if `None`.
    pub lifetime: Option<Duration>,
}

/// A token that nobody keeps yet.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) token: Token,
    info: TokenInfo,
}

/// The tokens of an installation.
#[derive(Clone, Debug)]
pub struct Tokens {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// The tokens kept in these records.
    pub fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>) -> Self {
        Self { records, clock }
    }

    /// Makes a token. The answer is the only place where it is seen.
    ///
    /// # Errors
    /// `Unavailable` if the records or the system's random source fail.
    pub async fn create(&self, tenant: &TenantId, new: NewToken) -> Result<(Token, TokenInfo)> {
        let minted = self.mint(tenant, new)?;
        let info = self.keep(&minted).await?;
        Ok((minted.token, info))
    }

    /// Makes a token that does not work before it is kept.
    ///
    /// # Errors
    /// `Unavailable` if the system's random source fails.
    pub(crate) fn mint(&self, tenant: &TenantId, new: NewToken) -> Result<Minted> {
        let token = Token { id: random::<8>()?, secret: random::<32>()?, tenant: tenant.clone() };
        let now = self.clock.now();
        let info = TokenInfo {
            id: token.id.clone(),
            name: new.name,
            role: new.role,
            created_at: now,
            expires_at: new.lifetime.map(|lifetime| now + lifetime),
        };
        Ok(Minted { token, info })
    }

    /// Has a token work from now on.
    ///
    /// # Errors
    /// `Unavailable` if the records fail.
    pub(crate) async fn keep(&self, minted: &Minted) -> Result<TokenInfo> {
        let Minted { token, info } = minted;
        let stored = Stored { info: info.clone(), hash: Digest::of(&token.secret) };
        self.records.put(&key(&token.tenant, &token.id), &to_value(&stored)?, None).await?;
        Ok(stored.info)
    }

    /// Who holds this token, if anybody does.
    ///
    /// # Errors
    /// `Denied` with code `unauthenticated`, in the same words whatever is wrong with it.
    pub async fn authenticate(&self, text: &str) -> Result<Principal> {
        let token = Token::parse(text).ok_or_else(unauthenticated)?;
        let record = self.records.get(&key(&token.tenant, &token.id)).await?;
        let stored: Stored = from_record(record.ok_or_else(unauthenticated)?)?;
        let given = Digest::of(&token.secret);
        let expired = stored.info.expires_at.is_some_and(|end| end <= self.clock.now());
        if expired || !equal_in_constant_time(given.as_bytes(), stored.hash.as_bytes()) {
            return Err(unauthenticated());
        }
        Ok(Principal::new(stored.info.name, token.tenant, stored.info.role))
    }

    /// All tokens of a tenant, by id.
    ///
    /// # Errors
    /// As the records.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<TokenInfo>> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map(|info: &TokenInfo| info.id.clone());
            let page = self.records.list(tenant, KIND, after.as_deref(), 500).await?;
            if page.is_empty() {
                return Ok(all);
            }
            for record in page {
                all.push(from_record(record)?.info);
            }
        }
    }

    /// Makes a token useless, from now on and everywhere.
    ///
    /// # Errors
    /// `NotFound` if there is no such token.
    pub async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<()> {
        let key = key(tenant, id);
        let unknown = || {
            Error::not_found("no such token")
                .context("id", id.escape_debug())
                .advice("see: architect token list")
        };
        let record = self.records.get(&key).await?.ok_or_else(unknown)?;
        self.records.delete(&key, record.version).await
    }

    /// Whether there is any token at all.
    ///
    /// # Errors
    /// As the records.
    pub async fn is_empty(&self, tenant: &TenantId) -> Result<bool> {
        Ok(self.records.list(tenant, KIND, None, 1).await?.is_empty())
    }
}

fn key(tenant: &TenantId, id: &str) -> RecordKey {
    RecordKey { tenant: tenant.clone(), kind: KIND.to_owned(), key: id.to_owned() }
}

fn unauthenticated() -> Error {
    Error::new(ErrorKind::Denied, "the token is not known, has expired or was revoked")
        .code("unauthenticated")
        .advice("make one with: architect token create --role operator")
}

fn to_value(stored: &Stored) -> Result<serde_json::Value> {
    serde_json::to_value(stored)
        .map_err(|cause| Error::unexpected("a token has no JSON form").source(cause))
}

fn from_record(record: Record) -> Result<Stored> {
    let Record { value, key, version: Version(_) } = record;
    serde_json::from_value(value).map_err(|cause| {
        Error::unexpected("a stored token cannot be read").context("id", key).source(cause)
    })
}

fn random<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "the system gives no random bytes").source(cause)
    })?;
    Ok(hex(&bytes))
}

/// Compares without telling by its duration how much was equal. The records are found by id and not
/// by hash, so this comparison is the only one that sees the secret.
fn equal_in_constant_time(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests;
