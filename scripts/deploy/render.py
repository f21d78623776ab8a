"""Renders the chart to deploy/kustomize, for those who do not use Helm: `python -m scripts.deploy.render`.

The chart is the one source. The base is the chart with its own values; a component holds what a file of values in
deploy/chart/ci adds to that. `--check` writes nothing and says what is out of date.
"""

import argparse
import re
import sys
from pathlib import Path

from scripts.deploy.tools import ROOT, NoTools, helm, make_tools

CHART = ROOT / "deploy" / "chart"
KUSTOMIZE = ROOT / "deploy" / "kustomize"
COMPONENTS = ("autoscaling", "ingress", "redis", "workers")
_HEAD = "# Made from deploy/chart by `python -m scripts.deploy.render`. Change it in an overlay (docs/deploy.md).\n"
# What a component changes in the base, beside what it adds.
_PATCHES = {
    "autoscaling": """patches:
  - target: {kind: Deployment, name: rungway}
    patch: |-
      - {op: remove, path: /spec/replicas}
"""
}


def rendered(*flags: str) -> list[str]:
    """The documents of the chart as texts, for a release named rungway."""
    text = helm("template", "rungway", str(CHART), *flags)
    # Helm does not manage what kubectl applies.
    text = re.sub(r"^ *app\.kubernetes\.io/managed-by: .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^# Source: .*\n", "", text, flags=re.MULTILINE)
    parts = (part.strip() for part in re.split(r"^---$", text, flags=re.MULTILINE))
    return [f"{part}\n" for part in parts if part]


def values(name: str) -> str:
    """The flag that gives Helm a file of deploy/chart/ci."""
    return f"--values={CHART / 'ci' / f'{name}-values.yaml'}"


def files() -> dict[Path, str]:
    """The files of deploy/kustomize, with their texts."""
    base = rendered()
    found = {
        KUSTOMIZE / "base" / "kustomization.yaml": _kustomization("Kustomization", "rungway.yaml"),
        KUSTOMIZE / "base" / "rungway.yaml": _HEAD + "---\n".join(base),
    }
    for name in COMPONENTS:
        folder = KUSTOMIZE / "components" / name
        added = [each for each in rendered(values(name)) if each not in base and _title(each) not in map(_title, base)]
        found[folder / f"{name}.yaml"] = _HEAD + "---\n".join(added)
        found[folder / "kustomization.yaml"] = _kustomization("Component", f"{name}.yaml") + _PATCHES.get(name, "")
    return found


def _kustomization(kind: str, resource: str) -> str:
    version = "v1alpha1" if kind == "Component" else "v1beta1"
    return f"{_HEAD}apiVersion: kustomize.config.k8s.io/{version}\nkind: {kind}\nresources: [{resource}]\n"


def _title(document: str) -> tuple[str, ...]:
    """Kind and name."""
    return tuple(re.findall(r"^(?:kind|  name): (.*)$", document, re.MULTILINE)[:2])


def main() -> int:
    """Write the files, or with --check say which are not as they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    try:
        make_tools()
    except NoTools as error:
        print(error, file=sys.stderr)
        return 3
    made = files()
    old = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in old:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
