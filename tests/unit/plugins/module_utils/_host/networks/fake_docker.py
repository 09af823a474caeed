# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Docker engine in memory: networks, containers and endpoints behave as seen on engines 20.10, 26.1, 28.5 and 29.7.

Requests can be made to fail, before or after they take effect, as if the answer were lost. A connect can also fail
half made: the container lists an endpoint that does not exist.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, EngineVersion

Json = dict[str, t.Any]
PREDEFINED = ("bridge", "host", "none")


class FakeDocker:
    def __init__(self, version: str = "28.5.2") -> None:
        self._version = EngineVersion.parse(version)
        self.networks: dict[str, Json] = {}
        self.containers: dict[str, Json] = {}
        self.calls: list[str] = []
        self.info: Json = {
            "Plugins": {"Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"]},
            "Swarm": {},
        }
        self._fail_at: int | None = None
        self._fail_after_effect = False
        self._fail_half_made = False
        self._half_made: set[tuple[str, str]] = set()  # (container id, network name)
        self._declared: dict[str, set[int]] = {}  # network id -> IP versions whose subnet the user gave
        self._hooks: dict[str, t.Callable[[], None]] = {}
        self._serial = 0
        for name in PREDEFINED:
            driver = {"bridge": "bridge", "host": "host", "none": "null"}[name]
            config = [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}] if name == "bridge" else []
            options = {"com.docker.network.bridge.name": "docker0"} if name == "bridge" else {}
            self._add_network({"Name": name, "Driver": driver, "IPAM": {"Config": config}, "Options": options})

    @property
    def version(self) -> EngineVersion:
        return self._version

    # -- for tests

    def fail_call(self, index: int | None, after_effect: bool = False, half_made: bool = False) -> None:
        """Let the request with this index (counted from now on, from 0) fail."""
        self._fail_half_made = half_made
        self.calls = []
        self._fail_at = index
        self._fail_after_effect = after_effect

    def before_call(self, start: str, action: t.Callable[[], None]) -> None:
        """Do something once, just before the first request that starts with ``start``: ``DELETE /networks``."""
        self._hooks[start] = action

    def add_container(self, name: str, *, running: bool = True, mode: str = "default", **networks: Json | None) -> str:
        cid = self._new_id(f"container {name}")
        self.containers[cid] = {
            "Id": cid,
            "Name": f"/{name}",
            "State": {"Running": running, "Status": "running" if running else "exited"},
            "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": {"Networks": {}},
        }
        for network, settings in networks.items():
            self._connect(network, {"Container": cid, "EndpointConfig": settings or {}})
        return cid

    def reboot(self) -> None:
        """Stop and start all containers that run. One without its network does not start."""
        for container in self.containers.values():
            if container["State"]["Running"]:
                container["State"] = {"Running": False, "Status": "exited"}
                with contextlib.suppress(EngineError):
                    self._start(container["Id"])

    def network(self, name: str) -> Json:
        (found,) = [each for each in self.networks.values() if each["Name"] == name]
        return found

    def state(self) -> Json:
        """Everything that a user can see, without ids."""
        endpoints: dict[str, Json] = {}
        for container in self.containers.values():
            for name, settings in container["NetworkSettings"]["Networks"].items():
                network = self.networks.get(settings["NetworkID"]) if settings["NetworkID"] else self.network(name)
                seen = {
                    "addresses": [
                        (settings.get("IPAMConfig") or {}).get("IPv4Address") or settings["IPAddress"],
                        (settings.get("IPAMConfig") or {}).get("IPv6Address") or settings["GlobalIPv6Address"],
                    ],
                    "aliases": sorted(set(settings.get("Aliases") or ()) - {container["Id"][:12]}),
                    "links": settings.get("Links") or [],
                    "options": settings.get("DriverOpts") or {},
                    "priority": settings.get("GwPriority") or 0,
                }
                if (container["Id"], name) in self._half_made:
                    seen = {"half made": True}
                endpoints.setdefault(network["Name"] if network else "nowhere", {})[container["Name"][1:]] = seen
        hidden = ("Id", "Created")
        return {
            each["Name"]: {
                "network": {key: value for key, value in each.items() if key not in hidden},
                "endpoints": endpoints.get(each["Name"], {}),
            }
            for each in self.networks.values()
        }

    # -- the port

    def get(self, path: str, **query: str) -> t.Any:
        return self._call(f"GET {path}", lambda: self._get(path, query))

    def post(self, path: str, body: Json | None = None, **_query: str) -> t.Any:
        return self._call(f"POST {path}", lambda: self._post(path, body or {}))

    def delete(self, path: str) -> None:
        self._call(f"DELETE {path}", lambda: self._delete(path))

    def _call(self, label: str, action: t.Callable[[], t.Any]) -> t.Any:
        for start in [start for start in self._hooks if label.startswith(start)]:
            self._hooks.pop(start)()
        index = len(self.calls)
        self.calls.append(label)
        if index == self._fail_at and not self._fail_after_effect:
            if self._fail_half_made and label.endswith("/connect"):
                action()
                cid, name = self._last_connected
                self._half_made.add((cid, name))
            raise EngineError(f"injected failure of {label}", 500)
        answer = action()
        if index == self._fail_at:
            raise EngineError(f"injected loss of the answer to {label}")
        return copy.deepcopy(answer)

    def _get(self, path: str, query: Json) -> t.Any:
        parts = path.strip("/").split("/")
        if path == "/networks":
            return [{**self._shown(each), "Containers": {}} for each in self.networks.values()]
        if path == "/info":
            return self.info
        if path == "/containers/json":
            return [
                self._listed(each) for each in self.containers.values() if query.get("all") or each["State"]["Running"]
            ]
        if parts[0] == "containers":
            return self._container(parts[1])
        return self._inspected(self._find_network(parts[1]))

    def _post(self, path: str, body: Json) -> t.Any:
        if path == "/networks/create":
            return self._create(body)
        network, verb = path.strip("/").split("/")[1:]
        if verb == "start":
            return self._start(network)
        return self._connect(network, body) if verb == "connect" else self._disconnect(network, body)

    def _delete(self, path: str) -> None:
        network = self._find_network(path.strip("/").split("/")[1])
        if network["Name"] in PREDEFINED:
            raise EngineError(f"{network['Name']} is a pre-defined network and cannot be removed", 403)
        if any(each.get("ConfigFrom", {}).get("Network") == network["Name"] for each in self.networks.values()):
            raise EngineError(f"configuration network {network['Name']} is in use", 403)
        if self._running_on(network["Id"]):
            raise EngineError(f"network {network['Name']} has active endpoints", 403)
        del self.networks[network["Id"]]

    # -- networks

    def _new_id(self, seed: str) -> str:
        self._serial += 1
        return hashlib.sha256(f"{seed} {self._serial}".encode()).hexdigest()

    def _create(self, body: Json) -> Json:
        name = body["Name"]
        if name in (*PREDEFINED, "default"):
            raise EngineError(f"operation is not permitted on predefined {name} network", 403)
        unique = self._version >= (25,) or body.get("CheckDuplicate")
        if unique and any(each["Name"] == name for each in self.networks.values()):
            raise EngineError(f"network with name {name} already exists", 409)
        return {"Id": self._add_network(body), "Warning": ""}

    def _add_network(self, body: Json) -> str:
        ipam = copy.deepcopy(body.get("IPAM") or {})
        config, options, labels = ipam.get("Config") or [], body.get("Options"), body.get("Labels")
        source = (body.get("ConfigFrom") or {}).get("Network")
        if source:
            if options or labels or config or body.get("EnableIPv6"):
                raise EngineError("user specified configurations are not supported", 403)
            model = self._find_network(source)
            config, options, labels = model["IPAM"]["Config"], model["Options"], model["Labels"]
        declared = {ipaddress.ip_network(block["Subnet"]).version for block in config}
        if not body.get("ConfigOnly") and body.get("Driver") not in ("host", "null"):
            config = self._allocated(config)
        nid = self._new_id(f"network {body['Name']}")
        self.networks[nid] = {
            "Id": nid,
            "Name": body["Name"],
            "Created": f"2026-01-01T00:00:{self._serial:06}Z",
            "Driver": "null" if body.get("ConfigOnly") else body.get("Driver", "bridge"),
            "Scope": body.get("Scope", "local"),
            "EnableIPv6": bool(body.get("EnableIPv6")),
            "Internal": bool(body.get("Internal")),
            "Attachable": bool(body.get("Attachable")),
            "Ingress": bool(body.get("Ingress")),
            "ConfigOnly": bool(body.get("ConfigOnly")),
            "ConfigFrom": {"Network": source or ""},
            "IPAM": {"Driver": ipam.get("Driver", "default"), "Options": ipam.get("Options"), "Config": config},
            "Options": dict(options or {}),
            "Labels": dict(labels or {}),
        }
        self._declared[nid] = declared
        return nid

    def _allocated(self, config: list[Json]) -> list[Json]:
        real = [each for each in self.networks.values() if not each["ConfigOnly"]]
        taken = [ipaddress.ip_network(c["Subnet"]) for each in real for c in each["IPAM"]["Config"] or ()]
        for block in config:
            subnet = ipaddress.ip_network(block["Subnet"])
            if any(subnet.version == other.version and subnet.overlaps(other) for other in taken):
                raise EngineError("Pool overlaps with other one on this address space", 403)
        if any(ipaddress.ip_network(block["Subnet"]).version == 4 for block in config):
            return config
        free = next(
            pool
            for pool in ipaddress.ip_network("172.16.0.0/12").subnets(new_prefix=16)
            if not any(pool.version == other.version and pool.overlaps(other) for other in taken)
        )
        return [{"Subnet": str(free), "Gateway": str(free[1])}, *config]

    def _find_network(self, reference: str) -> Json:
        """As the engine does: a full id, then a name, then the beginning of an id."""
        if reference in self.networks:
            return self.networks[reference]
        named = [each for each in self.networks.values() if each["Name"] == reference]
        found = named or [each for nid, each in self.networks.items() if nid.startswith(reference)]
        if len(found) != 1:
            raise EngineError(f"network {reference} not found", 404)
        return found[0]

    def _inspected(self, network: Json) -> Json:
        endpoints = {}
        for each in self._running_on(network["Id"]):
            settings = each["NetworkSettings"]["Networks"][network["Name"]]
            endpoints[each["Id"]] = {"Name": each["Name"][1:], "IPv4Address": f"{settings['IPAddress']}/24"}
        return {**self._shown(network), "Containers": endpoints}

    def _shown(self, network: Json) -> Json:
        """Engines from 29 on do not show the subnets of configuration networks."""
        if self._version < (29,) or not network["ConfigOnly"]:
            return network
        return {**network, "IPAM": {**network["IPAM"], "Config": None}}

    def _running_on(self, nid: str) -> list[Json]:
        return [
            each
            for each in self.containers.values()
            if each["State"]["Running"]
            and any(
                settings["NetworkID"] == nid and (each["Id"], name) not in self._half_made
                for name, settings in each["NetworkSettings"]["Networks"].items()
            )
        ]

    # -- endpoints

    def _start(self, reference: str) -> None:
        container = self._container(reference)
        networks = container["NetworkSettings"]["Networks"]
        mode = container["HostConfig"]["NetworkMode"]
        try:
            if not networks and mode != "default":  # it starts on the network that it was created with
                networks[self._find_network(mode)["Name"]] = {}
            for name, settings in networks.items():
                network = self._find_network(settings.get("NetworkID") or name)
                addresses = self._addresses(network, settings.get("IPAMConfig") or {})
                networks[name] = {"Aliases": [], **settings, **addresses, "NetworkID": network["Id"]}
        except EngineError as error:
            container["State"] = {"Running": False, "Status": "exited", "Error": str(error)}
            raise
        container["State"] = {"Running": True, "Status": "running", "Error": ""}

    def _container(self, reference: str) -> Json:
        for each in self.containers.values():
            if reference in (each["Id"], each["Name"][1:]):
                return each
        raise EngineError(f"No such container: {reference}", 404)

    def _listed(self, container: Json) -> Json:
        networks = {
            name: {key: settings[key] for key in ("NetworkID", "IPAddress")}
            for name, settings in container["NetworkSettings"]["Networks"].items()
        }
        return {
            "Id": container["Id"],
            "Names": [container["Name"]],
            "State": container["State"]["Status"],
            "Labels": container.get("Labels", {}),
            "HostConfig": container["HostConfig"],
            "NetworkSettings": {"Networks": networks},
        }

    def _connect(self, reference: str, body: Json) -> None:
        network = self._find_network(reference)
        container = self._container(body["Container"])
        settings = copy.deepcopy(body.get("EndpointConfig") or {})
        networks = container["NetworkSettings"]["Networks"]
        self._check_addresses(network, settings.get("IPAMConfig") or {})
        half_made = (container["Id"], network["Name"])
        if network["Name"] in networks and container["State"]["Running"] and half_made not in self._half_made:
            raise EngineError(f"endpoint with name {container['Name'][1:]} already exists", 403)
        addresses = {"IPAddress": "", "GlobalIPv6Address": ""}
        if container["State"]["Running"]:
            try:
                addresses = self._addresses(network, settings.get("IPAMConfig") or {})
            except EngineError:
                networks[network["Name"]] = {**settings, **addresses, "NetworkID": ""}
                self._half_made.add(half_made)
                raise
        self._half_made.discard(half_made)
        self._last_connected = half_made
        aliases = list(settings.get("Aliases") or ())
        if self._version < (25,):
            aliases.append(container["Id"][:12])
        # A container that does not run gets the network's id only when it starts.
        nid = network["Id"] if container["State"]["Running"] else ""
        networks[network["Name"]] = {**settings, **addresses, "Aliases": aliases, "NetworkID": nid}

    def _check_addresses(self, network: Json, fixed: Json) -> None:
        for version, option in ((4, "IPv4Address"), (6, "IPv6Address")):
            if not fixed.get(option):
                continue
            if network["Name"] in PREDEFINED:
                raise EngineError("user specified IP address is supported on user defined networks only", 400)
            if version not in self._declared[network["Id"]]:
                raise EngineError(
                    "user specified IP address is supported only when connecting to networks with user configured "
                    "subnets",
                    400,
                )

    def _addresses(self, network: Json, wanted: Json) -> Json:
        used = {
            settings[key]
            for each in self._running_on(network["Id"])
            for settings in each["NetworkSettings"]["Networks"].values()
            for key in ("IPAddress", "GlobalIPv6Address")
        }
        answer = {"IPAddress": "", "GlobalIPv6Address": ""}
        for block in network["IPAM"]["Config"]:
            subnet = ipaddress.ip_network(block["Subnet"])
            key, option = ("IPAddress", "IPv4Address") if subnet.version == 4 else ("GlobalIPv6Address", "IPv6Address")
            if subnet.version == 6 and not network["EnableIPv6"]:
                continue
            asked = wanted.get(option)
            reserved = {block.get("Gateway") or str(subnet[1]), *(block.get("AuxiliaryAddresses") or {}).values()}
            if asked:
                if ipaddress.ip_address(asked) not in subnet:
                    raise EngineError(f"invalid config for network {network['Name']}: no subnet holds {asked}", 400)
                if asked in used | reserved:
                    raise EngineError("Address already in use", 403)
            free = (str(subnet[index]) for index in range(1, min(subnet.num_addresses, 4096)))
            answer[key] = asked or next(each for each in free if each not in used | reserved)
        return answer

    def _disconnect(self, reference: str, body: Json) -> None:
        network = self._find_network(reference)
        container = self._container(body["Container"])
        networks = container["NetworkSettings"]["Networks"]
        known = network["Name"] in networks
        if container["State"]["Running"]:
            known = known and networks[network["Name"]]["NetworkID"] == network["Id"]
            known = known and (container["Id"], network["Name"]) not in self._half_made
        if not known:
            raise EngineError(f"container {container['Id']} is not connected to network {network['Name']}", 500)
        del networks[network["Name"]]
