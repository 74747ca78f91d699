//! One fetch: a session that may reach the named hosts, the tool, and what it leaves.

use std::sync::Arc;

use matrix_architect_core::{
    error::{ErrorKind, Result},
    evidence::Evidence,
    id::{Digest, SessionId},
    traits::{
        Collect, Command, Connection, Egress, Exit, ExitVerdict, Ids, Network, Session,
        SessionSpec, VerifyContext,
    },
};

use super::{
    super::room::{Capture, cancelled},
    cache::{Cache, Entry, SealFor, Sealed},
    config::PrepareConfig,
    demand::{Demand, OUT},
    report::Told,
};
use crate::workspace::{TreeLimits, unpack};

/// Tools that bring lists of authorities of their own are told of the machine's, which is what its
/// operator trusts. What the operator's environment says goes before.
const TRUST: &str = "\
for ca in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    if [ -r \"$ca\" ]; then
        export SSL_CERT_FILE=\"${SSL_CERT_FILE:-$ca}\" PIP_CERT=\"${PIP_CERT:-$ca}\" \\
            CARGO_HTTP_CAINFO=\"${CARGO_HTTP_CAINFO:-$ca}\" \\
            NODE_EXTRA_CA_CERTS=\"${NODE_EXTRA_CA_CERTS:-$ca}\"
        break
    fi
done
";

/// The most bytes of output that are read.
const OUTPUT: u64 = 1 << 20;

/// The most files of one fetch.
const MAX_ENTRIES: u64 = 500_000;

/// Who fetches, for whom, and to where.
pub(super) struct Fetching<'a> {
    pub(super) cx: &'a VerifyContext<'a>,
    pub(super) config: &'a PrepareConfig,
    pub(super) cache: &'a Cache,
    pub(super) ids: &'a dyn Ids,
}

/// What the tool did.
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) stderr: Vec<u8>,
    connections: Vec<Connection>,
}

impl Fetching<'_> {
    /// Fetches, or finds what was fetched before, and says so.
    pub(super) async fn carry_out(
        &self,
        demand: &Demand,
        egress: &Egress,
    ) -> Result<(Option<Arc<Sealed>>, Evidence)> {
        let mut told = Told::new(self.cx, demand, egress);
        if !self.cx.sandbox.capabilities().egress {
            let why = "dependencies are not fetched: the sandbox can let nobody out";
            return Ok((None, told.undecided(why)));
        }
        let session = self.open(demand, egress).await?;
        let outcome = self.within(&*session, demand, &mut told).await;
        let closed = session.close().await;
        let outcome = outcome?;
        closed?;
        Ok(outcome)
    }

    async fn open(&self, demand: &Demand, egress: &Egress) -> Result<Box<dyn Session>> {
        let mut spec = SessionSpec::new(SessionId::from_number(self.ids.next()));
        spec.owner = Some((self.cx.job.clone(), self.cx.fence));
        spec.limits = self.config.limits.clone();
        spec.network = Network::Egress(egress.clone());
        spec.env.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        spec.env.extend(demand.env.clone());
        spec.env.extend(self.config.env.clone());
        self.cx.sandbox.open(&demand.files, &spec).await
    }

    async fn within(
        &self,
        session: &dyn Session,
        demand: &Demand,
        told: &mut Told<'_>,
    ) -> Result<(Option<Arc<Sealed>>, Evidence)> {
        let Some(toolchain) = self.version(session, demand).await? else {
            let tool = demand.probe[0];
            let why = format!("dependencies are not fetched: {tool} is missing in the sandbox");
            return Ok((None, told.undecided(&why)));
        };
        told.toolchain(&toolchain);
        if !demand.hashed {
            return self.fetch(session, demand, &toolchain, told, None).await;
        }
        if let Err(error) = self.cache.prune(self.cx.clock.now()) {
            tracing::warn!(%error, "fetched dependencies could not be pruned");
        }
        let entry = self.cache.enter(self.key(demand, &toolchain), self.cx.cancel).await?;
        match entry.open(self.cx.clock.now()).await? {
            Ok(sealed) => {
                let found = told.found(&sealed.seal);
                Ok((Some(Arc::new(sealed)), found))
            }
            Err(entry) => self.fetch(session, demand, &toolchain, told, Some(entry)).await,
        }
    }

    /// One tenant's dependencies are not another's, whatever they are.
    fn key(&self, demand: &Demand, toolchain: &str) -> String {
        let tenant = self.cx.job.tenant.as_str();
        let parts = [tenant, demand.ecosystem, &demand.lock.hex(), toolchain, &demand.line];
        let mut hasher = Digest::hasher();
        for part in parts {
            hasher.update(format!("{}:{part},", part.len()));
        }
        hasher.finish().hex()
    }

    /// Runs the tool and keeps what it fetched, under the entry or for this job alone.
    async fn fetch(
        &self,
        session: &dyn Session,
        demand: &Demand,
        toolchain: &str,
        told: &mut Told<'_>,
        entry: Option<Entry<'_>>,
    ) -> Result<(Option<Arc<Sealed>>, Evidence)> {
        self.cx.sink.log(format!("prepare.{}: {}\n", demand.ecosystem, demand.line).as_bytes());
        let ran = self.run(session, demand).await?;
        told.connections(&ran.connections);
        if !ran.exit.verdict.is_success() {
            return Ok((None, told.failed(&ran)));
        }
        let mut what = Collect::new([OUT]);
        (what.max_bytes, what.max_entries) = (self.config.limits.disk, MAX_ENTRIES);
        let limits = TreeLimits {
            max_entries: MAX_ENTRIES,
            max_bytes: self.config.limits.disk,
            ..TreeLimits::default()
        };
        let archive = session.collect(&what).await?;
        let tree = match unpack(&self.cache.incoming, archive, &limits).await {
            Ok(tree) => tree,
            // What came out breaks the rules for what comes out: the dependencies' doing.
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Invalid) => {
                return Ok((None, told.unfit(&error)));
            }
            Err(error) => return Err(error),
        };
        let seal = SealFor { demand, toolchain, at: self.cx.clock.now() };
        let sealed = match entry {
            Some(entry) => entry.seal(tree, seal).await?,
            None => self.cache.keep(tree, seal).await?,
        };
        let fetched = told.fetched(&sealed.seal);
        Ok((Some(Arc::new(sealed)), fetched))
    }

    async fn run(&self, session: &dyn Session, demand: &Demand) -> Result<Ran> {
        let command = Command::shell(format!("set -e\n{TRUST}{}", demand.line));
        let mut output = Capture::new(OUTPUT, Some(self.cx.sink));
        let exit = session.run(&command, &mut output, self.cx.cancel).await?;
        if exit.verdict == ExitVerdict::Cancelled || self.cx.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let connections = session.connections().await?;
        Ok(Ran { exit, stderr: output.stderr, connections })
    }

    /// The first line of the tool's version.
    async fn version(&self, session: &dyn Session, demand: &Demand) -> Result<Option<String>> {
        let mut output = Capture::new(OUTPUT, None);
        let command = Command::new(demand.probe.iter().copied());
        let exit = match session.run(&command, &mut output, self.cx.cancel).await {
            Ok(exit) => exit,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        if exit.verdict == ExitVerdict::Cancelled {
            return Err(cancelled());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().next().unwrap_or_default().trim().to_owned();
        Ok(exit.verdict.is_success().then_some(line))
    }
}
