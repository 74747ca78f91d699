//! The one error of all traits.
//!
//! An [`Error`] says what was attempted, on what, and what to do about it. Callers decide by
//! [`ErrorKind`] and [`Error::is_retryable`]; the cause is a source and is never pasted into the
//! message. What is stored with a job is a [`Failure`](crate::failure::Failure), never an `Error`.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// The result of every fallible call in the SDK.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong, and so what a caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing does not exist, or not for this tenant. Do not retry.
    NotFound,
    /// A thing with this identity exists with other content. Do not retry.
    AlreadyExists,
    /// The version moved. Reload, fold again, and commit again if the event is still legal.
    Conflict,
    /// The lease was lost and another worker holds the job. Stop at once, write nothing more.
    Fenced,
    /// The input breaks a documented rule. Correct it.
    Invalid,
    /// The principal lacks the permission, or a safety rule forbids it.
    Denied,
    /// This backend cannot do it, here or at all.
    Unsupported,
    /// A server, device or resource is out of reach at the moment. Retry.
    Unavailable,
    /// The call took too long; whether it had an effect is unknown.
    Timeout,
    /// Too many requests. Retry after [`Error::retry_after`].
    RateLimited,
    /// The caller asked to stop.
    Cancelled,
    /// A bug or a state nobody foresaw.
    Unexpected,
}

impl ErrorKind {
    /// The kind's name on the wire, in `snake_case`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Fenced => "fenced",
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Cancelled => "cancelled",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was attempted, on what, why it failed and what to do.
///
/// ```
/// use matrix_architect_core::error::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Unavailable, "the database does not answer")
///     .operation("store.commit")
///     .context("path", "/var/lib/architect/jobs.db")
///     .advice("check that the disk is mounted");
/// assert!(error.is_retryable());
/// assert_eq!(
///     error.to_string(),
///     "the database does not answer (path: /var/lib/architect/jobs.db); \
///      check that the disk is mounted"
/// );
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
    operation: Option<&'static str>,
    context: Vec<(&'static str, String)>,
    advice: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. The message is a lower-case fragment without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: None,
            message: message.into(),
            operation: None,
            context: Vec::new(),
            advice: None,
            retry_after: None,
            source: None,
        }))
    }

    /// Input that breaks a documented rule.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A thing that does not exist, or not for this tenant.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// A bug or a state nobody foresaw.
    pub fn unexpected(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unexpected, message)
    }

    /// Names the operation as `component.verb`. The outermost name wins and the inner one is kept
    /// as context.
    #[must_use]
    pub fn operation(mut self, operation: &'static str) -> Self {
        if let Some(called) = self.0.operation.replace(operation) {
            self.0.context.push(("called", called.to_owned()));
        }
        self
    }

    /// Adds what the operation was about. Never a secret.
    #[must_use]
    pub fn context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Says in a few words what the reader should do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// A stable, machine-readable code finer than the kind, such as `base_moved`.
    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// The earliest moment a retry makes sense, counted from now.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The error that caused this one.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without context and advice.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The code, or the kind's name if no finer code was given.
    pub fn code_str(&self) -> &str {
        self.0.code.as_deref().unwrap_or(self.0.kind.as_str())
    }

    /// What the reader should do, if the place of the failure knew it.
    pub fn advice_str(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// The context, in the order it was added.
    pub fn contexts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// The value of a context key.
    pub fn context_value(&self, key: &str) -> Option<&str> {
        self.0.context.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    /// How long to wait before a retry, if the place of the failure knew it.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call may succeed later without a change. Decided where the cause is known,
    /// that is by the kind.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited)
    }

    /// Whether the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// Whether the version moved.
    pub fn is_conflict(&self) -> bool {
        self.0.kind == ErrorKind::Conflict
    }

    /// Whether the lease was lost.
    pub fn is_fenced(&self) -> bool {
        self.0.kind == ErrorKind::Fenced
    }

    /// Whether the caller asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == ErrorKind::Cancelled
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !self.0.context.is_empty() {
            f.write_str(" (")?;
            for (index, (key, value)) in self.0.context.iter().enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{key}: {value}")?;
            }
            f.write_str(")")?;
        }
        self.0.advice.as_ref().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("code", &self.code_str())
            .field("message", &self.0.message)
            .field("operation", &self.0.operation)
            .field("context", &self.0.context)
            .field("advice", &self.0.advice)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
