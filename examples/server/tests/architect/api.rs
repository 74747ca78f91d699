//! The API over a real socket: tokens, roles, problem documents, jobs from start to end.

use crate::support::{Bench, server::Serving};
use serde_json::{Value, json};

/// A change of the bench's repository.
fn change(bench: &Bench, greeting: &str) -> Value {
    json!({
        "repo": { "kind": "local", "path": bench.repo() },
        "plan": { "goal": "greet better", "steps": [{ "id": "greet", "ops": [
            { "op": "update", "path": "greeting.txt", "content": greeting }
        ]}]},
        "verify_commands": ["test -s greeting.txt"],
        "constraints": { "require_tests": false }
    })
}

fn token(bench: &Bench, role: &str, name: &str) -> String {
    let ended = bench.run(&["token", "create", "--role", role, "--name", name]).expect(0);
    ended.stdout.trim().to_owned()
}

#[test]
fn the_first_start_leaves_an_administrators_token_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let path = bench.data().join("admin-token");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.get(&server.admin, "/jobs").status, 200);
    assert_eq!(server.stop(), 0);
    let before = std::fs::read(&path).unwrap();
    let again = Serving::start(&bench);
    assert_eq!(std::fs::read(&path).unwrap(), before, "the second start makes none");
    assert_eq!(again.stop(), 0);
}

#[test]
fn nothing_but_health_is_told_without_a_token() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.send(&format!("GET {path}"), &[], b"").status, 200, "{path}");
    }
    let routes = [
        "GET /jobs",
        "GET /jobs/job_x",
        "POST /plan",
        "POST /execute",
        "GET /artifacts/job_x",
        "POST /jobs/job_x/approve",
        "GET /jobs/job_x/logs",
        "GET /artifacts/job_x/name",
    ];
    for route in routes {
        let refused = server.send(route, &[], b"");
        refused.problem(401, "unauthenticated");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"architect\""));
    }
    let wrong = server.admin.replace("arch_", "arch_0");
    server.get(&wrong, "/jobs").problem(401, "unauthenticated");
    server.send("GET /jobs", &["authorization: Basic YTpi"], b"").problem(401, "unauthenticated");
}

#[test]
fn every_error_is_a_problem_document() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let admin = &server.admin;
    server.get(admin, "/nowhere").problem(404, "no_such_route");
    server.get(admin, "/jobs/job_nobody").problem(404, "not_found");
    server.get(admin, "/jobs/%2e%2e").problem(404, "not_found");
    let wrong_method = server.send("DELETE /jobs", &[], b"");
    wrong_method.problem(405, "method_not_allowed");
    assert!(wrong_method.header("allow").unwrap().contains("GET"));
    server.get(admin, "/jobs?limit=0").problem(422, "invalid");
    server.get(admin, "/jobs?limt=1").problem(422, "invalid");
    server.get(admin, "/jobs?status=happy").problem(422, "invalid");
    let bearer = format!("authorization: Bearer {admin}");
    let json_type = "content-type: application/json";
    server.send("POST /execute", &[&bearer], b"{}").problem(415, "unsupported_media_type");
    let cut = server.send("POST /execute", &[&bearer, json_type], b"{\"repo\":");
    assert!(cut.problem(400, "malformed_json")["detail"].as_str().unwrap().contains("line 1"));
    let unknown = server.post(admin, "/execute", &json!({ "repoo": 1 })).problem(422, "invalid");
    assert!(unknown["detail"].as_str().unwrap().contains("repoo"));
    server.post(admin, "/execute", &json!({ "goal": "x" })).problem(422, "invalid");
    let with = |name: &str, value: Value| {
        let mut body = change(&bench, "hello\n");
        body[name] = value;
        server.post(admin, "/execute", &body)
    };
    let settings = json!([{ "target": "vm", "config": { "root": "/srv", "kepe": 3 } }]);
    let typo = with("deployments", settings).problem(422, "invalid_config");
    assert!(typo["detail"].as_str().unwrap().contains("kepe"), "{typo}");
    let url = json!([{ "driver": "git", "config": { "repo": "https://hunter2@host/r" } }]);
    let secret = with("publish", url).problem(422, "credentials_in_url");
    assert!(!secret.to_string().contains("hunter2"), "{secret}");
    assert_eq!(server.get(admin, "/jobs").json(), json!([]), "nothing of it became a job");
    let large = vec![b' '; (16 << 20) + 1];
    server.send("POST /execute", &[&bearer, json_type], &large).problem(413, "too_large");
}

#[test]
fn a_request_keeps_its_id() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let named = server.send("GET /healthz", &["x-request-id: trace-1"], b"");
    assert_eq!(named.header("x-request-id"), Some("trace-1"));
    let unfit = server.send("GET /healthz", &["x-request-id: a b"], b"");
    assert!(unfit.header("x-request-id").unwrap().starts_with("req_"));
}

#[test]
fn a_job_runs_and_what_it_left_can_be_had() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let body = change(&bench, "hello from the server\n");
    let answer = server.post_with(&server.admin, "/execute", &body, &["prefer: wait=60"]);
    assert_eq!(answer.status, 202, "{answer:?}");
    let job = answer.json();
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let id = job["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/jobs/{id}").as_str()));

    let artifacts = server.get(&server.admin, &format!("/artifacts/{id}")).json();
    for artifact in artifacts.as_array().unwrap() {
        let name = artifact["name"].as_str().unwrap().replace('/', "%2F");
        let content = server.get(&server.admin, &format!("/artifacts/{id}/{name}"));
        assert_eq!(content.status, 200, "{name}");
        assert_eq!(content.body.len() as u64, artifact["size"].as_u64().unwrap());
        let digest = matrix_architect_core::id::Digest::of(&content.body).to_string();
        assert_eq!(content.header("etag"), Some(format!("\"{digest}\"").as_str()));
        assert_eq!(artifact["checksum"].as_str(), Some(digest.as_str()));
    }
    server.get(&server.admin, &format!("/artifacts/{id}/nothing")).problem(404, "not_found");

    let names = server.get(&server.admin, &format!("/jobs/{id}/logs")).json();
    assert!(names.as_array().unwrap().len() > 1, "{names}");
    let events = server.get(&server.admin, &format!("/jobs/{id}/events")).json();
    assert_eq!(events[0]["seq"], 1);
    let page = server.get(&server.admin, "/jobs?limit=1&status=succeeded").json();
    assert_eq!(page[0]["id"], id);
}

#[test]
fn roles_may_what_they_may() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let (viewer, operator) = (token(&bench, "viewer", "vera"), token(&bench, "operator", "otto"));
    let body = change(&bench, "x\n");
    assert_eq!(server.get(&viewer, "/jobs").status, 200);
    let refused = server.post(&viewer, "/execute", &body).problem(403, "not_listed");
    assert!(refused["next_action"].as_str().unwrap().contains("server.toml"));
    let remote = json!({ "repo": { "kind": "git", "url": "https://127.0.0.1:1/r.git" }, "diff": "x", "goal": "x" });
    server.post(&viewer, "/execute", &remote).problem(403, "permission_denied");
    server.post(&operator, "/execute", &body).problem(403, "not_listed");
    assert_eq!(server.post(&operator, "/execute", &remote).status, 202);
}

#[test]
fn an_operator_may_what_the_server_file_lists() {
    let bench = Bench::new();
    let listed = format!("local_repos = [{:?}]\n", bench.root_path());
    bench.write("data/server.toml", listed);
    let server = Serving::start(&bench);
    let operator = token(&bench, "operator", "otto");
    let answer =
        server.post_with(&operator, "/execute", &change(&bench, "x\n"), &["prefer: wait=60"]);
    assert_eq!(answer.json()["status"], "succeeded", "{answer:?}");
}

#[test]
fn a_plan_waits_for_somebody_else() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let answer =
        server.post_with(&server.admin, "/plan", &change(&bench, "x\n"), &["prefer: wait=60"]);
    let job = answer.json();
    assert_eq!(job["status"], "waiting_approval", "{job:#}");
    assert!(job["plan"]["steps"][0]["ops"][0]["expect"].is_object(), "the plan is resolved");
    let id = job["id"].as_str().unwrap();
    let approve = format!("/jobs/{id}/approve");
    server.post(&server.admin, &approve, &json!({})).problem(403, "self_approval");
    let other = token(&bench, "operator", "otto");
    let stale = json!({ "approval_id": "apr_other" });
    server.post(&other, &approve, &stale).problem(409, "stale_approval");
    let comment = json!({ "comment": "fine", "approval_id": job["gate"]["approval_id"] });
    assert_eq!(server.post(&other, &approve, &comment).status, 200);
    let done = server.wait_for(id, "succeeded");
    assert_eq!(done["gate"]["approved_by"], "otto");
    server.post(&other, &approve, &json!({})).problem(409, "not_waiting");
}

#[test]
fn the_same_key_is_the_same_job() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let post = |greeting: &str| {
        let body = change(&bench, greeting);
        server.post_with(&server.admin, "/plan", &body, &["idempotency-key: \"k-1\""])
    };
    let first = post("x\n").json();
    assert_eq!(post("x\n").json()["id"], first["id"]);
    post("y\n").problem(422, "idempotency_mismatch");
}

#[test]
fn the_list_pages_by_its_link() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let mut made: Vec<Value> = (0..5)
        .map(|_| server.post(&server.admin, "/plan", &change(&bench, "x\n")).json()["id"].clone())
        .collect();
    made.reverse();
    let (mut seen, mut next) = (Vec::new(), Some("/jobs?limit=2".to_owned()));
    while let Some(path) = next {
        let page = server.get(&server.admin, &path);
        seen.extend(page.json().as_array().unwrap().iter().map(|job| job["id"].clone()));
        next = page.header("link").map(|link| link[1..link.find('>').unwrap()].to_owned());
    }
    assert_eq!(seen, made);
}

#[test]
fn the_command_does_on_a_server_what_it_does_here() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let job = server
        .post_with(&server.admin, "/plan", &change(&bench, "x\n"), &["prefer: wait=60"])
        .json();
    let id = job["id"].as_str().unwrap().to_owned();
    let url = server.url();
    let otto = bench.write("otto", "");
    std::fs::write(&otto, token(&bench, "operator", "otto")).unwrap();
    std::process::Command::new("chmod").args(["600", &otto]).status().unwrap();
    let remote = |arguments: &[&str]| {
        bench.run(&[arguments, &["--server", &url, "--token-file", &otto]].concat())
    };
    assert!(remote(&["jobs"]).expect(0).stdout.contains(&id));
    remote(&["approve", &id]).expect(0);
    server.wait_for(&id, "succeeded");
    assert!(!remote(&["logs", &id, "-f"]).expect(0).stdout.is_empty());
    let artifacts = remote(&["artifacts", &id, "--json"]).expect(0).json();
    let name = artifacts[0]["name"].as_str().unwrap();
    assert!(!remote(&["artifacts", &id, name]).expect(0).stdout.is_empty());
    let conflict = remote(&["cancel", &id]).expect(1);
    assert!(conflict.one_sentence().contains(&id), "{conflict:#?}");
    let viewer = token(&bench, "viewer", "vera");
    let output =
        bench.architect(&["cancel", &id, "--server", &url]).env("ARCHITECT_TOKEN", viewer).output();
    crate::support::Ended::from(output.unwrap()).expect(4);
}

#[test]
fn a_revoked_token_is_refused_at_once() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let viewer = token(&bench, "viewer", "vera");
    assert_eq!(server.get(&viewer, "/jobs").status, 200);
    let id = viewer.split('_').nth(1).unwrap();
    bench.run(&["token", "revoke", id]).expect(0);
    server.get(&viewer, "/jobs").problem(401, "unauthenticated");
}
