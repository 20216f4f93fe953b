"""Breaks the deployment files one by one, in a copy, and expects lint.py to say so. Called by lint.sh."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import lint

STATEFUL_SET = "deploy/kubernetes/base/stateful-set.yaml"
ALERTS = "deploy/prometheus/alerts.yml"
DASHBOARD = "deploy/grafana/dashboards/dockside.json"

# The file, what is replaced (once), by what, and words of the finding.
CASES = [
    (STATEFUL_SET, "replicas: 3", "replicas: three", "spec.replicas: 'three' is not of type"),
    (STATEFUL_SET, "replicas: 3", "replica: 3", "'replica' was unexpected"),
    (STATEFUL_SET, "serviceName: dockside", "serviceName: dock", "no such service"),
    (STATEFUL_SET, "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30", "is killed before"),
    (STATEFUL_SET, "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
    (STATEFUL_SET, "drop: [ALL]", "drop: [NET_RAW]", "not all capabilities"),
    (STATEFUL_SET, "path: /livez", "path: /readyz", "the liveness probe does not ask /livez"),
    (STATEFUL_SET, "port: http", "port: web", "a port that the container has not"),
    (STATEFUL_SET, "name: DOCKSIDE_HTTP_LISTEN", "name: DOCKSIDE_HTTP_LISTENS", "DOCKSIDE_HTTP_LISTENS is no key"),
    (STATEFUL_SET, "- name: DOCKSIDE_SASL_PASSWORD", "- name: SASL_PASSWORD", "['DOCKSIDE_SASL_PASSWORD'], which are not set"),
    (STATEFUL_SET, "- name: state\n              mountPath", "- name: data\n              mountPath", "mounts ['config', 'data']"),
    ("deploy/kubernetes/base/service.yaml", "    app.kubernetes.io/name: dockside\n  ports", "    app: x\n  ports", "selects no pod"),
    ("deploy/kubernetes/base/kustomization.yaml", "  - service.yaml\n", "", "service.yaml is not named"),
    ("deploy/kubernetes/base/kustomization.yaml", "- service.yaml", "- services.yaml", "services.yaml is not there"),
    ("deploy/kubernetes/base/dockside.toml", "workers = 2", "worker = 2", "engine.worker is no key"),
    ("deploy/kubernetes/monitored/service-monitor.yaml", "port: http", "port: web", "the service has no port web"),
    ("docker-compose.yml", "DOCKSIDE_REPLICATION: 1", "DOCKSIDE_REPLICAS: 1", "DOCKSIDE_REPLICAS is no key"),
    ("docker-compose.yml", "prom/prometheus:v3.5.0", "prom/prometheus:latest", "is not pinned"),
    (ALERTS, "increase(dockside_producer_rebuilds_total[15m])", "increase(dockside_rebuilds_total[15m])", "dockside_rebuilds_total is not in"),
    (ALERTS, 'outcome="dead_lettered"', 'outcome="dead"', "dockside_scans_total has no outcome dead"),
    (ALERTS, 'outcome="dead_lettered"', 'result="dead_lettered"', "dockside_scans_total has no label result"),
    (ALERTS, "severity: warning", "severity: mild", "DocksideLagGrowing: has no severity"),
    (ALERTS, "summary: The snapshot", "subject: The snapshot", "DocksideSnapshotTooOld: has no summary"),
    (DASHBOARD, "dockside_commit_seconds_bucket", "dockside_commit_bucket", "dockside_commit_bucket is not in"),
    (DASHBOARD, "sum by (outcome)", "sum by (result)", "no metric has the label result"),
    (DASHBOARD, '"uid": "prometheus"', '"uid": "other"', "its data source is not provisioned"),
]


def said_of(root):
    os.chdir(root)
    lint.findings.clear()
    lint.main(root / "rules.yml", say=lambda _: None)
    return "\n".join(lint.findings)


def main():
    repository = Path.cwd()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(repository / "deploy", root / "deploy")
        shutil.copytree(repository / "config", root / "config")
        shutil.copy(repository / "docker-compose.yml", root)
        for file, old, new, words in CASES:
            path = root / file
            whole = path.read_text()
            path.write_text(whole.replace(old, new, 1))
            said = said_of(root)
            path.write_text(whole)
            if old not in whole or words not in said:
                wrong.append(f"{file}: {old!r} -> {new!r}: expected {words!r}, found {said!r}")
        os.chdir(repository)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
