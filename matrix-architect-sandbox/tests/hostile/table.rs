//! The attempts, by what they are aimed at.

use super::attempt::Attempt;

mod collection;
mod devices;
mod filesystem;
mod kernel;
mod leaks;
mod network;
mod processes;
mod resources;
mod sockets;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Kernel,
    Sockets,
    Filesystem,
    Devices,
    Processes,
    Resources,
    Network,
    Collection,
    Leaks,
}

impl Theme {
    pub(crate) const ALL: [Self; 9] = [
        Self::Kernel,
        Self::Sockets,
        Self::Filesystem,
        Self::Devices,
        Self::Processes,
        Self::Resources,
        Self::Network,
        Self::Collection,
        Self::Leaks,
    ];

    pub(crate) const fn attempts(self) -> &'static [Attempt] {
        match self {
            Self::Kernel => kernel::ATTEMPTS,
            Self::Sockets => sockets::ATTEMPTS,
            Self::Filesystem => filesystem::ATTEMPTS,
            Self::Devices => devices::ATTEMPTS,
            Self::Processes => processes::ATTEMPTS,
            Self::Resources => resources::ATTEMPTS,
            Self::Network => network::ATTEMPTS,
            Self::Collection => collection::ATTEMPTS,
            Self::Leaks => leaks::ATTEMPTS,
        }
    }
}
