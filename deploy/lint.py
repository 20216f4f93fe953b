"""Judges what no ready-made tool does: how the deployment files hang together, and what they ask of dockside.

Called by lint.sh, from the repository's root, with the path of a file to write: the dashboards' queries as rules, so
that promtool can read them. Says every finding at once; ends with 1 if there is one.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

# The version of Kubernetes whose schemas the manifests must satisfy.
KUBERNETES = "1.33"
# What a clean end of dockside is meant to take at most, in seconds.
SHUTDOWN_SECONDS = 30
# Labels that Prometheus adds.
ADDED_LABELS = {"job", "instance", "le"}

findings = []


def expect(holds, where, why):
    if not holds:
        findings.append(f"{where}: {why}")
    return holds


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


# --- dockside's configuration -------------------------------------------------------------------------------------


def keys_of(table, path=""):
    """All keys with their sections; those below a section of properties are librdkafka's and left out."""
    for key, value in table.items():
        name = path + key
        if name.endswith("properties"):
            continue
        if isinstance(value, dict):
            yield from keys_of(value, name + ".")
        else:
            yield name


def known_keys():
    return set(keys_of(tomllib.loads(Path("config/dockside.toml").read_text())))


def variables_of(keys):
    """The environment variables that dockside reads; others it passes over, so a slip would go unnoticed."""
    names = {"DOCKSIDE_" + key.replace(".", "_").upper() for key in keys}
    return names | {"DOCKSIDE_" + key.removeprefix("kafka.").upper() for key in keys if key.startswith("kafka.")}


def check_variables(where, names, used=frozenset()):
    for name in sorted(set(names)):
        known = not name.startswith("DOCKSIDE_") or name in variables_of(known_keys()) or name in used
        expect(known, where, f"{name} is no key of config/dockside.toml")


def check_compose(path):
    for name, service in documents(path)[0]["services"].items():
        where = f"{path}: {name}"
        check_variables(where, service.get("environment", {}))
        image = service["image"]
        expect(re.search(r":v?\d+\.\d+\.\d+$", image), where, f"the version of {image} is not pinned")
        expect("healthcheck" in service, where, "has no healthcheck")


# --- Kubernetes ---------------------------------------------------------------------------------------------------


def check_kustomization(path, document):
    folder = path.parent
    named = set()
    for entry in document.get("resources", []):
        target = folder / entry
        named.add(target.resolve())
        there = (target / "kustomization.yaml").is_file() if target.is_dir() else target.is_file()
        expect(there, path, f"the resource {entry} is not there")
    for generator in document.get("configMapGenerator", []):
        for entry in generator["files"]:
            named.add((folder / entry).resolve())
            expect((folder / entry).is_file(), path, f"the file {entry} is not there")
    for file in sorted(folder.iterdir()):
        expect(file == path or file.resolve() in named, path, f"{file.name} is not named")


def check_pod(where, pod, config_maps, secrets_in_config):
    expect(pod["terminationGracePeriodSeconds"] > SHUTDOWN_SECONDS, where, "is killed before it has ended")
    expect(pod["securityContext"].get("runAsNonRoot"), where, "may run as root")
    expect(pod.get("enableServiceLinks") is False, where, "enableServiceLinks brings variables named DOCKSIDE_…")
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            expect(name in config_maps, where, f"no ConfigMap is named {name}")
    for container in pod["containers"]:
        security = container["securityContext"]
        expect(security.get("readOnlyRootFilesystem"), where, "the root file system can be written")
        expect(security.get("capabilities") == {"drop": ["ALL"]}, where, "not all capabilities are dropped")
        ports = {port["name"] for port in container["ports"]}
        for probe, address in (("startup", "/startupz"), ("liveness", "/livez"), ("readiness", "/readyz")):
            get = container.get(f"{probe}Probe", {}).get("httpGet", {})
            expect(get.get("path") == address, where, f"the {probe} probe does not ask {address}")
            expect(get.get("port") in ports, where, f"the {probe} probe asks a port that the container has not")
        variables = {variable["name"] for variable in container["env"]}
        check_variables(where, variables, secrets_in_config)
        expect("DOCKSIDE_INSTANCE" in variables, where, "members of the group have no stable name")
        missing = sorted(secrets_in_config - variables)
        expect(not missing, where, f"the configuration names {missing}, which are not set")


def check_kubernetes(root):
    manifests, config_maps, secrets = [], set(), set()
    for path in sorted(root.rglob("*.yaml")):
        for document in documents(path):
            if document["kind"] == "Kustomization":
                check_kustomization(path, document)
                config_maps |= {generator["name"] for generator in document.get("configMapGenerator", [])}
            else:
                manifests.append((path, document))
    for path in sorted(root.rglob("*.toml")):
        text = path.read_text()
        for key in sorted(set(keys_of(tomllib.loads(text))) - known_keys()):
            expect(False, path, f"{key} is no key of config/dockside.toml")
        secrets |= set(re.findall(r"\$\{(\w+)\}", text))

    services = [document for _, document in manifests if document["kind"] == "Service"]
    pods = [document["spec"]["template"] for _, document in manifests if document["kind"] == "StatefulSet"]

    def selects(selector, labels):
        return bool(selector) and selector.items() <= labels.items()

    for path, document in manifests:
        where = f"{path}: {document['kind']} {document['metadata']['name']}"
        spec = document["spec"]
        expect("namespace" not in document["metadata"], where, "names a namespace, which is the user's to choose")
        if document["kind"] == "ServiceMonitor":
            # A custom resource: no schema of it comes with Kubernetes.
            found = [s for s in services if selects(spec["selector"]["matchLabels"], s["metadata"]["labels"])]
            if expect(found, where, "selects no service"):
                ports = {port["name"] for service in found for port in service["spec"]["ports"]}
                for endpoint in spec["endpoints"]:
                    expect(endpoint["port"] in ports, where, f"the service has no port {endpoint['port']}")
            continue
        try:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            expect(False, where, f"{'.'.join(map(str, error.path))}: {error.message}")
            continue
        if document["kind"] == "StatefulSet":
            template = spec["template"]
            check_pod(where, template["spec"], config_maps, secrets)
            expect(spec["serviceName"] in [s["metadata"]["name"] for s in services], where, "no such service")
            expect(selects(spec["selector"]["matchLabels"], template["metadata"]["labels"]), where, "selects others")
            mounts = {mount["name"] for c in template["spec"]["containers"] for mount in c["volumeMounts"]}
            volumes = {volume["name"] for volume in template["spec"].get("volumes", [])}
            volumes |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
            expect(mounts == volumes, where, f"mounts {sorted(mounts)} of the volumes {sorted(volumes)}")
        selector = spec.get("selector", {})
        selector = selector.get("matchLabels", selector)
        expect(any(selects(selector, pod["metadata"]["labels"]) for pod in pods), where, "selects no pod")


# --- metrics ------------------------------------------------------------------------------------------------------


def metrics():
    """From each series' name to its labels, each with its values if they are listed."""
    series = {}
    for line in Path("deploy/metrics.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, kind, *labels = line.split()
        table = {}
        for label in labels:
            label, _, values = label.partition("=")
            table[label] = set(values.split("|")) if values else None
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            series[name + suffix] = table
    return series


def check_query(where, query, series):
    for name, _, selector in re.findall(r"\b(dockside_\w+)(\{([^}]*)\})?", query):
        if not expect(name in series, where, f"{name} is not in deploy/metrics.txt"):
            continue
        for label, value in re.findall(r'(\w+)\s*[=!]~?\s*"([^"]*)"', selector):
            if label in ADDED_LABELS:
                continue
            if expect(label in series[name], where, f"{name} has no label {label}") and series[name][label]:
                for word in value.split("|"):
                    expect(word in series[name][label], where, f"{name} has no {label} {word}")
    labels = ADDED_LABELS.union(*series.values())
    for group in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", query):
        for label in filter(None, re.split(r"[\s,]+", group)):
            expect(label in labels, where, f"no metric has the label {label}")


def check_alerts(path, series):
    for group in documents(path)[0]["groups"]:
        for rule in group["rules"]:
            where = f"{path}: {rule['alert']}"
            check_query(where, rule["expr"], series)
            expect(rule.get("labels", {}).get("severity") in ("critical", "warning"), where, "has no severity")
            for part in ("summary", "description"):
                expect(rule.get("annotations", {}).get(part), where, f"has no {part}")


def check_dashboard(path, series, sources):
    """Returns the queries as a rule each, with Grafana's variables filled in."""
    rules = []
    dashboard = json.loads(path.read_text())
    seen = set()
    for panel in dashboard["panels"]:
        where = f"{path}: {panel['title']}"
        expect(panel["id"] not in seen, where, "its id is another panel's")
        seen.add(panel["id"])
        for asking in [panel, *panel.get("targets", [])] if panel["type"] != "row" else []:
            expect(asking["datasource"]["uid"] in sources, where, "its data source is not provisioned")
        for target in panel.get("targets", []):
            check_query(where, target["expr"], series)
            query = target["expr"].replace("$__rate_interval", "1m")
            rules.append({"record": f"panel_{panel['id']}_{target['refId']}", "expr": query})
    for variable in dashboard["templating"]["list"]:
        where = f"{path}: ${variable['name']}"
        expect(variable["datasource"]["uid"] in sources, where, "its data source is not provisioned")
        check_query(where, variable["definition"], series)
    return rules


def main(rules_path, say=print):
    check_compose(Path("docker-compose.yml"))
    check_kubernetes(Path("deploy/kubernetes"))
    series = metrics()
    check_alerts(Path("deploy/prometheus/alerts.yml"), series)
    provisioned = sorted(Path("deploy/grafana/provisioning/datasources").glob("*.yml"))
    sources = {source["uid"] for path in provisioned for source in documents(path)[0]["datasources"]}
    rules = []
    for path in sorted(Path("deploy/grafana/dashboards").glob("*.json")):
        rules += check_dashboard(path, series, sources)
    Path(rules_path).write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    say("\n".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
