//! Our own container with a layer less: what the engine says of a session's container is changed in
//! that one place and given back to it.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    attempt::Layer,
    ground::{Ground, ran, roomy},
    image::docker,
    probe::{self, Probes, Results},
};

/// Makes attempts in a container like a session's, but for these layers.
pub(crate) async fn without(
    ground: &Ground,
    layers: &[Layer],
    aims: &str,
    probes: &Probes,
) -> Results {
    let session = ground.open(roomy()).await;
    ran(&*session, &matrix_architect_core::traits::Command::shell("true")).await;
    let mut body = container(ground.label.as_deref().unwrap()).await;
    for layer in layers {
        strip(&mut body, *layer);
    }
    body["Entrypoint"] = json!(["/usr/bin/python3", "-c", probe::program(aims)]);
    body["WorkingDir"] = json!("/workspace");
    let id = create(&body);
    let told = attached(&id, &probe::lines(probes));
    docker(&["rm", "--force", &id]).unwrap();
    session.close().await.unwrap();
    probe::parsed(&told)
}

/// What a container of a session's commands is made of.
async fn container(label: &str) -> Value {
    // The next command's is made while nobody waits for it.
    for _ in 0..100 {
        if let Some(found) = find(label) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no container of a command");
}

fn find(label: &str) -> Option<Value> {
    let filter = format!("label={label}");
    let found = docker(&["ps", "--all", "--quiet", "--filter", &filter]).unwrap();
    let about = found.lines().map(|id| {
        let about: Value = serde_json::from_str(&docker(&["inspect", id])?).ok()?;
        Some(about[0].clone())
    });
    let runs = |about: &Value| {
        let mounts = about["HostConfig"]["Mounts"].as_array().into_iter().flatten();
        mounts.clone().any(|mount| mount["Target"] == "/workspace")
    };
    let about = about.flatten().find(runs)?;
    let mut body = about["Config"].clone();
    body["HostConfig"] = about["HostConfig"].clone();
    // It comes with the network that is joined.
    body["Hostname"] = json!("");
    // It is nobody's but ours to end.
    body["Labels"] = json!({});
    body["Image"] = about["Image"].clone();
    Some(body)
}

fn strip(body: &mut Value, layer: Layer) {
    let host = &mut body["HostConfig"];
    match layer {
        Layer::Seccomp => {
            let options = host["SecurityOpt"].as_array_mut().unwrap();
            let filter = options.iter_mut().find(|option| {
                option.as_str().is_some_and(|option| option.starts_with("seccomp="))
            });
            *filter.expect("a container has a filter") = json!("seccomp=unconfined");
        }
        Layer::Network => {
            host["NetworkMode"] = json!("host");
            body["Hostname"] = json!("");
        }
        Layer::Ipc => host["IpcMode"] = json!("host"),
        Layer::CgroupView => host["CgroupnsMode"] = json!("host"),
        Layer::HostName => {
            host["UTSMode"] = json!("host");
            body["Hostname"] = json!("");
        }
        // Containers have none.
        Layer::Landlock => {}
    }
}

fn create(body: &Value) -> String {
    let body = body.to_string();
    let mut engine = UnixStream::connect("/var/run/docker.sock").unwrap();
    let length = body.len();
    let head = format!(
        "POST /containers/create HTTP/1.0\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    engine.write_all(head.as_bytes()).unwrap();
    engine.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    engine.read_to_string(&mut answer).unwrap();
    let (_, told) = answer.split_once("\r\n\r\n").unwrap();
    let told: Value = serde_json::from_str(told).unwrap_or_else(|_| panic!("{answer}"));
    told["Id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn attached(id: &str, input: &str) -> String {
    let mut start = Command::new("docker");
    start.args(["start", "--attach", "--interactive", id]);
    start.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
