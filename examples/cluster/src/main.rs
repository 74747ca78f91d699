//! A cluster by itself, for clients of other languages: `cluster KUBECONFIG IMAGE...`. It writes the
//! kubeconfig of its administrator and runs until its input ends or it is interrupted.
#![expect(clippy::print_stderr, reason = "a program tells its user what is wrong")]

use std::{io::Read as _, process::ExitCode};

use matrix_architect_cluster::{Cluster, Options, Rights};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: cluster KUBECONFIG IMAGE...");
        return ExitCode::from(2);
    };
    let mut options = Options::new(arguments);
    // Its socket is on the loopback interface, and without TLS kubectl sends no token.
    options.anonymous = Some(Rights::All);
    let cluster = match Cluster::start(options).await {
        Ok(cluster) => cluster,
        Err(cause) => {
            eprintln!("the cluster cannot be started: {cause}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(cause) = tokio::fs::write(&path, cluster.kubeconfig("admin")).await {
        eprintln!("{path} cannot be written: {cause}");
        return ExitCode::FAILURE;
    }
    // A thread of its own: the end of the program does not wait for it.
    let (send, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin();
        while input.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        let _ = send.send(());
    });
    tokio::select! {
        _ = ended => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    cluster.stop().await;
    ExitCode::SUCCESS
}
