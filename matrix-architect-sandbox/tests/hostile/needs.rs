//! What builds and tests need works on every ground: a sandbox that stops everything is none.

use crate::{
    attempt::Kind,
    ground::{Ground, roomy},
    probe::{self, Outcome},
    world::World,
};

const EVERYWHERE: &[&str] = &[
    "listen = socket.create_server(('127.0.0.1', 0)); \
     socket.create_connection(listen.getsockname()).close()",
    "assert socket.getaddrinfo('localhost', 80)",
    "assert [name for _, name in socket.if_nameindex()] == ['lo']",
    "one, other = socket.socketpair(); one.send(b'x')",
    "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "import multiprocessing as m; p = m.Pool(2); assert p.map(abs, [-1]) == [1]; p.close()",
    "import subprocess; subprocess.run(['sh', '-c', 'exit 0'], check=True)",
    "import subprocess as s; [s.Popen(['sh', '-c', 'sleep 0 &']).wait() for _ in range(50)]",
    "import tempfile; tempfile.NamedTemporaryFile().write(b'x')",
    "open(os.path.expanduser('~/.cache'), 'w').write('x'); open('/dev/null', 'w').write('x')",
    "assert os.urandom(8) and open('/dev/urandom', 'rb').read(1)",
    "open('made', 'w'); os.link('/workspace/made', '/workspace/linked')",
    "os.mkdir('d'); open('own', 'w'); os.rename('own', 'd/own')",
    "import signal; signal.alarm(0); os.kill(os.getpid(), 0); assert os.getppid() > 0",
];

/// Where the host's own programs are shown.
const OF_THE_HOST: &[&str] = &[
    "listen = socket.create_server(('::1', 0), family=socket.AF_INET6)",
    "import getpass; assert getpass.getuser() == 'sandbox'",
    "import ssl; assert ssl.create_default_context().get_ca_certs() is not None",
    "import zoneinfo, sqlite3",
    "call(101, 0, 0, 0, 0)",
];

pub(crate) async fn met(kind: Kind) {
    let Some(ground) = Ground::here(kind).await else { return };
    let more = if kind == Kind::Docker { &[][..] } else { OF_THE_HOST };
    let needs: Vec<(&'static str, &'static str)> = EVERYWHERE
        .iter()
        .chain(more)
        .map(|need| (*need, &*format!("exec({need:?}, globals())").leak()))
        .collect();
    let session = ground.open(roomy()).await;
    let told = probe::inside(&*session, &World::new().aims(true), &needs).await;
    session.close().await.unwrap();
    assert_eq!(told.len(), needs.len());
    let refused: Vec<_> = told.iter().filter(|(_, told)| told.outcome != Outcome::Open).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}
