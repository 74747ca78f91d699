//! The native sandbox as a contender.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    id::SessionId,
    traits::{Bind, Cancel, Command, Limits, Sandbox as _, Session, SessionSpec},
};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox, Toolchains},
    workspace::DirTree,
};
use tokio::runtime::Runtime;

use crate::root::Root;

pub(crate) struct Native {
    pub(crate) runtime: Runtime,
    pub(crate) sandbox: NativeSandbox,
    tree: DirTree,
}

/// Where the program is inside.
const PROGRAM: &str = "/opt/nothing/true";

impl Native {
    pub(crate) fn new(root: &Root, folder: &Path, warm: usize) -> Self {
        let mut toolchains = Toolchains::default();
        toolchains.binds.push(Bind { source: root.folder().into(), target: "/opt/nothing".into() });
        let config = NativeConfig::default().toolchains(toolchains).warm_sessions(warm);
        Self::with(NativeSandbox::new(config).unwrap(), folder)
    }

    pub(crate) fn with(sandbox: NativeSandbox, folder: &Path) -> Self {
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            sandbox,
            tree: DirTree::open(folder).unwrap(),
        }
    }

    pub(crate) fn open(&self) -> Box<dyn Session> {
        let mut spec = SessionSpec::new(SessionId::from_number(1));
        spec.limits = Limits::default().disk(64 << 20).memory(256 << 20).processes(1024);
        self.runtime.block_on(self.sandbox.open(&self.tree, &spec)).unwrap()
    }

    pub(crate) fn run(&self, session: &dyn Session) {
        let command = Command::new([PROGRAM]);
        let (mut output, cancel) = (Vec::new(), Cancel::new());
        let run = session.run(&command, &mut output, &cancel);
        assert!(self.runtime.block_on(run).unwrap().verdict.is_success());
    }

    pub(crate) fn close(&self, session: Box<dyn Session>) {
        self.runtime.block_on(session.close()).unwrap();
    }

    pub(crate) fn whole(&self) {
        let session = self.open();
        self.run(&*session);
        self.close(session);
    }

    /// From asking to the exit, of a session that stood by; its end and the next one's start are
    /// not counted.
    pub(crate) fn adopted(&self) -> Duration {
        let started = Instant::now();
        let session = self.open();
        self.run(&*session);
        let took = started.elapsed();
        self.close(session);
        std::thread::sleep(Duration::from_millis(3));
        took
    }
}
