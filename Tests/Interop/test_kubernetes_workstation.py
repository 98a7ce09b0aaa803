"""What kubernetes-workstation sends, object by object against the schemas of Kubernetes, by a validator of others. The plugin's own tests hold the
committed list against what it really sends; the cluster there is a stand-in."""

import json
import os
import subprocess
import sys
import tempfile

import kernel as house

OBJECTS = os.path.join(house.ROOT, "plugins", "kubernetes-workstation", "Tests", "KubernetesWorkstationTests", "objects.json")


def validate(objects):
    import yaml

    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump_all(objects, file)
        file.flush()
        return subprocess.run(
            [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", "1.31.0", file.name], capture_output=True, text=True)


def main():
    objects = json.load(open(OBJECTS, encoding="utf-8"))
    ran = validate(objects)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # It would have seen a mistake.
    for one in objects:
        assert validate([{**one, "spek": {}}]).returncode != 0, one["kind"]
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "StatefulSet"]
    assert pods and all(not pod["automountServiceAccountToken"] for pod in pods)
    assert all(
        box["securityContext"]["runAsNonRoot"] and not box["securityContext"]["allowPrivilegeEscalation"] and box["resources"]["limits"]
        for pod in pods for box in pod["containers"])
    print(f"kubernetes-workstation: {len(objects)} passed, 0 failed")


if __name__ == "__main__":
    main()
