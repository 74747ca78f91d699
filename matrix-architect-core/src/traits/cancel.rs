//! The wish to stop, passed down to whoever can.

use tokio_util::sync::CancellationToken;

/// A wish to stop that effectful calls are handed and look at. They are never raced against it or
/// dropped: they see it, bring what they do to a known end, and answer.
///
/// ```
/// use matrix_architect_core::traits::Cancel;
///
/// let cancel = Cancel::new();
/// let child = cancel.child();
/// cancel.cancel();
/// assert!(child.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(CancellationToken);

impl Cancel {
    /// A wish nobody has yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A wish that comes with this one's, and can come alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Wishes it.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether somebody wishes it.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until somebody wishes it.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}
