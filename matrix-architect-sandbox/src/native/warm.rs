//! Sessions that stand before anybody asks for them. Each is adopted once, by one tenant, and ends
//! with what it was adopted for.

use std::sync::{Arc, Mutex, PoisonError};

use matrix_architect_core::{
    error::Result,
    traits::{Limits, SessionSpec},
};

use super::{link::Link, prepared::Prepared, sandbox::Shared, wire::OpenRequest};

/// A session with nothing in it yet.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) link: Link,
    /// Bytes of its writable space.
    pub(super) disk: u64,
    /// Whom its commands run as on the host.
    pub(super) user: Option<u32>,
    pub(super) prepared: Option<Prepared>,
}

impl Standing {
    /// Has one made. It makes itself ready beside the caller and says when it is.
    pub(super) fn open(shared: &Shared, request: OpenRequest) -> Result<Self> {
        let (disk, user) = (request.disk, request.user);
        Ok(Self { link: shared.launcher.open(request)?, disk, user, prepared: None })
    }

    /// The same, for whoever comes, and with a place for the first command.
    fn ahead(shared: &Shared, limits: &Limits) -> Result<Self> {
        let mut standing = Self::open(shared, shared.request(limits.disk))?;
        // Without cgroups made ready the session's first command makes them.
        if let Ok((made, preparation)) = Prepared::new(shared, limits) {
            let (request, with) = preparation.message();
            standing.link.say(request, &with)?;
            standing.prepared = Some(made);
        }
        Ok(standing)
    }
}

/// The sessions that stand by.
#[derive(Debug)]
pub(super) struct Pool {
    size: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    standing: Vec<Standing>,
    /// Those of the latest session: the next one's are likely the same.
    limits: Limits,
}

impl Pool {
    pub(super) fn new(size: usize) -> Self {
        Self { size, state: Mutex::default() }
    }

    pub(super) const fn is_used(&self) -> bool {
        self.size > 0
    }

    /// A session that stands, for what needs nothing that a session must be built with.
    pub(super) fn adopt(&self, spec: &SessionSpec) -> Option<Standing> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.limits = spec.limits.clone();
        if spec.binds.is_empty() { state.standing.pop() } else { None }
    }

    /// Starts as many sessions as are missing.
    pub(super) fn fill(&self, shared: &Arc<Shared>) {
        loop {
            let limits = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.standing.len() >= self.size {
                    return;
                }
                state.limits.clone()
            };
            match Standing::ahead(shared, &limits) {
                Ok(standing) => {
                    let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                    // Somebody else may have filled it meanwhile; what is too much ends here.
                    if state.standing.len() < self.size {
                        state.standing.push(standing);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "no session can be kept ready");
                    return;
                }
            }
        }
    }
}
