"""Drives a cluster by the client that Kubernetes publishes for Python."""

import os
import time

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

config.load_kube_config(os.environ["KUBECONFIG"])
api = client.CoreV1Api()
pod = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 12345},
        "containers": [{
            "name": "main",
            "image": "registry.test/base:1",
            "command": ["sh", "-c", "trap 'exit 0' TERM; echo one; echo two; while :; do sleep 0.1; done"],
        }],
    },
}


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ApiException as refusal:
        assert refusal.status == code, refusal
        return refusal.body
    raise AssertionError("it was not refused")


api.create_namespaced_pod("default", pod)
assert "already exists" in refused(409, api.create_namespaced_pod, "default", pod)
assert "not found" in refused(404, api.read_namespaced_pod, "absent", "default")

phases = []
for event in watch.Watch().stream(api.list_namespaced_pod, "default", label_selector="app=web", timeout_seconds=60):
    phases.append(event["object"].status.phase)
    if phases[-1] == "Running":
        break
assert phases[-1] == "Running", phases

command = ["sh", "-c", "echo out; echo err >&2; read line; echo got $line; exit 3"]
streams = stream(
    api.connect_get_namespaced_pod_exec, "web", "default", command=command,
    stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
)
streams.write_stdin("hello\n")
streams.run_forever(timeout=60)
assert streams.read_stdout() == "out\ngot hello\n" and streams.read_stderr() == "err\n"
assert streams.returncode == 3, streams.returncode

assert api.read_namespaced_pod_log("web", "default", tail_lines=1) == "two\n"
stored = api.read_namespaced_pod("web", "default")
stored.metadata.resource_version = "1"
assert "has been modified" in refused(409, api.replace_namespaced_pod, "web", "default", stored)
api.patch_namespaced_pod("web", "default", {"metadata": {"labels": {"tier": "front"}}})
assert len(api.list_namespaced_pod("default", label_selector="tier=front,app in (web)").items) == 1
assert "pod updates may not change" in refused(
    422, api.patch_namespaced_pod, "web", "default", {"spec": {"restartPolicy": "Always"}})
assert "unknown field" in refused(
    400, api.patch_namespaced_pod, "web", "default", {"spec": {"nodes": 1}})

api.delete_namespaced_pod("web", "default", grace_period_seconds=5)
for _ in range(200):
    if not api.list_namespaced_pod("default").items:
        break
    time.sleep(0.05)
assert not api.list_namespaced_pod("default").items
reasons = {event.reason for event in api.list_namespaced_event("default").items}
assert {"Scheduled", "Started", "Killing"} <= reasons, reasons
print("driven")
