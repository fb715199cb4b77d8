"""The W&B artifacts of the server that `wandb_stub` replaces: folders that clients download and upload.

A test puts a folder under `name:version`, or a client uploads one; either can then be downloaded.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENTITY, PROJECT, TIME = "ent", "bench", "2026-01-01T00:00:00"


@dataclass
class Uploaded:
    """An uploaded W&B artifact as its client described it."""

    name: str
    kind: str
    version: int
    run: str
    aliases: list[str]
    metadata: dict[str, Any]
    digest: str
    committed: bool = False
    manifest: dict[str, Any] = field(default_factory=dict)


class Artifacts:
    """Answers what the client asks of artifacts. `url` is the server's."""

    def __init__(self, place: Path) -> None:
        self.url, self.place = "", place
        self.folders: dict[str, Path] = {}  # "name:version" -> folder
        self.damaged: set[str] = set()  # files that arrive cut off
        self.uploaded: dict[str, Uploaded] = {}  # "name:version", which is the id too -> artifact
        self.used: list[tuple[str, str]] = []  # (run, "name:version")

    @property
    def named(self) -> dict[str, Any]:
        """Answers by the name of the operation."""
        return {
            "ArtifactMembershipByName": self.membership,
            "GetArtifactMembershipFileUrls": self.file_urls,
            "FetchArtifactManifest": self.manifest_url,
            "ArtifactType": self.type,
            "ArtifactByID": lambda variables: {"artifact": self.described(variables["id"])},
            "CreateArtifact": self.create,
            "CreateArtifactManifest": self.create_manifest,
            "CreateArtifactFiles": self.create_files,
            "UpdateArtifactManifest": self.update_manifest,
            "CommitArtifact": self.commit,
            "UseArtifact": self.use,
        }

    # Reading.

    def version(self, name: str) -> str | None:
        """The name with the version that an alias stands for."""
        if name in self.folders:
            return name
        title, _, alias = name.partition(":")
        own = {key: entry for key, entry in self.uploaded.items() if entry.name == title}
        return next((key for key, entry in reversed(own.items()) if alias in entry.aliases), None)

    def described(self, name: str) -> dict[str, Any]:
        """An artifact as the server describes it."""
        files, known = self.files(name), self.uploaded.get(name)
        empty: dict[str, Any] = {
            "description": None,
            "ttlDurationSeconds": -2,
            "ttlIsInherited": True,
            "tags": [],
            "historyStep": None,
        }
        return {
            "__typename": "Artifact",
            "id": name,
            "artifactSequence": sequence(name),
            "versionIndex": known.version if known else 0,
            "artifactType": {"name": known.kind if known else "model"},
            "metadata": json.dumps(known.metadata if known else {}),
            **empty,
            "state": "COMMITTED",
            "size": sum(map(len, files.values())),
            "digest": known.digest if known else manifest_digest(files),
            "digestAlgorithm": "MANIFEST_MD5",
            "commitHash": "c",
            "fileCount": len(files),
            "createdAt": TIME,
            "updatedAt": TIME,
        }

    def membership(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = self.version(variables["name"])
        if name is None:
            return {"project": {"artifactCollectionMembership": None}}
        alias = [{"__typename": "ArtifactAlias", "id": "A", "alias": "latest"}]
        artifact = self.described(name)
        fields: dict[str, Any] = {
            "__typename": "ArtifactCollectionMembership",
            "id": "M",
            "createdAt": TIME,
            "aliases": alias,
        }
        fields |= {"versionIndex": artifact["versionIndex"], "artifactCollection": sequence(name), "artifact": artifact}
        return {"project": {"artifactCollectionMembership": fields}}

    def type(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = self.version(variables["name"])
        known = None if name is None else {"artifactType": self.described(name)["artifactType"]}
        return {"project": {"artifact": known}}

    def files(self, name: str) -> dict[str, bytes]:
        folder = self.folders[name]
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def manifest_url(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = next(str(value) for value in variables.values() if str(value) in self.folders)
        place = {"id": "F", "directUrl": f"{self.url}/manifest/{name}"}
        return {"artifact": {"__typename": "Artifact", "id": name, "currentManifest": {"id": "C", "file": place}}}

    def file_urls(self, variables: dict[str, Any]) -> dict[str, Any]:
        title, alias = (str(variables[key]) for key in ("collection", "alias"))
        full = self.version(f"{title}:{alias}")
        assert full is not None, variables
        edges = [
            {"node": {"__typename": "File", "name": file, "directUrl": f"{self.url}/file/{full}/{file}"}}
            for file in self.files(full)
        ]
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        collection = {
            "__typename": "ArtifactSequence",
            "artifactMembership": {"files": {"pageInfo": page, "edges": edges}},
        }
        return {"project": {"artifactCollection": collection}}

    def fetch(self, path: str) -> bytes | None:
        """The bytes of a manifest or of an artifact's file."""
        kind, _, rest = path.lstrip("/").partition("/")
        name, _, file = rest.partition("/")
        if kind not in ("manifest", "file"):
            return None
        files = self.files(name)
        if kind == "file":
            return files[file][: len(files[file]) // 2] if file in self.damaged else files[file]
        contents = {
            name: {"digest": digest(data), "birthArtifactID": "ART", "size": len(data)} for name, data in files.items()
        }
        policy = {"storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"}}
        return json.dumps({"version": 1, **policy, "contents": contents}).encode()

    # Writing: the same content under the same name is the same version, as on the real server.

    def create(self, variables: dict[str, Any]) -> dict[str, Any]:
        fields = variables["input"]
        title = fields["artifactCollectionName"]
        own = {key: entry for key, entry in self.uploaded.items() if entry.name == title}
        name = next((key for key, entry in own.items() if entry.digest == fields["digest"]), f"{title}:v{len(own)}")
        aliases = [entry["alias"] for entry in fields.get("aliases") or ()]
        if name not in own:
            metadata = json.loads(fields.get("metadata") or "{}")
            kind, run = fields["artifactTypeName"], fields["runName"]
            self.uploaded[name] = Uploaded(title, kind, len(own), run, aliases, metadata, fields["digest"])
            self.folders[name] = self.place / name
            self.folders[name].mkdir(parents=True, exist_ok=True)
        state = "COMMITTED" if self.uploaded[name].committed else "PENDING"
        return {"createArtifact": {"artifact": {"id": name, "state": state, "artifactSequence": {}}}}

    def create_manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"createArtifactManifest": {"artifactManifest": self.manifest(variables["artifactID"])}}

    def update_manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"updateArtifactManifest": {"artifactManifest": self.manifest(variables["artifactManifestID"])}}

    def manifest(self, name: str) -> dict[str, Any]:
        return {"id": name, "file": {"id": "F", "uploadUrl": f"{self.url}/put-manifest/{name}", "uploadHeaders": []}}

    def create_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        def node(file: dict[str, Any]) -> dict[str, Any]:
            url = f"{self.url}/put-file/{file['artifactID']}/{file['name']}"
            more: dict[str, Any] = {
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": file["artifactID"]},
            }
            return {"node": {"storagePath": file["name"], "uploadUrl": url, **more}}

        return {
            "createArtifactFiles": {"files": {"edges": [node(file) for file in variables["input"]["artifactFiles"]]}}
        }

    def commit(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables["artifactID"]
        known, files = self.uploaded[name], self.files(name)
        listed = {file: entry["digest"] for file, entry in known.manifest["contents"].items()}
        assert listed == {file: digest(data) for file, data in files.items()}, "what was uploaded is what it lists"
        assert known.digest == manifest_digest(files)
        known.committed = True
        return {"commitArtifact": {"artifact": {"id": name, "digest": known.digest}}}

    def use(self, variables: dict[str, Any]) -> dict[str, Any]:
        fields = variables.get("input") or variables
        self.used.append((fields["runName"], fields["artifactID"]))
        return {"useArtifact": {"artifact": {"id": fields["artifactID"], "digest": "", "state": "COMMITTED"}}}

    def take(self, path: str, body: bytes) -> None:
        """A file or a manifest that a client sends."""
        kind, _, rest = path.lstrip("/").partition("/")
        name, _, file = rest.partition("/")
        if kind == "put-manifest":
            self.uploaded[name].manifest = json.loads(body)
        elif kind == "put-file":
            target = self.folders[name] / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)


def sequence(name: str) -> dict[str, Any]:
    """The collection that an artifact is a version of."""
    owner = {"id": "P", "internalId": "1", "name": PROJECT, "entity": {"name": ENTITY}}
    return {"__typename": "ArtifactSequence", "name": name.partition(":")[0], "project": owner}


def digest(data: bytes) -> str:
    """A file's digest as the client computes it."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def manifest_digest(files: dict[str, bytes]) -> str:
    """An artifact's digest as the client computes it."""
    lines = "".join(f"{name}:{digest(data)}\n" for name, data in sorted(files.items()))
    return hashlib.md5(b"wandb-artifact-manifest-v1\n" + lines.encode()).hexdigest()
