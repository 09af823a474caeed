// Copyright: the fleetnet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// The policy: who may open connections to whom, what the last verification proved of it, and what is denied by default.

// state -> sign and label. A permission without a line and without probes is quiet: Docker's own rules decide.
const PROOFS = {
  proven: ["✓", "proven"],
  failed: ["✗", "failed"],
  leaking: ["!", "passes"],
  not_proven: ["?", "not proven"],
  unprobed: ["○", "not probed"],
};
// The signs of the matrix with their meanings, in the order of the legend.
const SIGNS = {
  failed: ["✗", "allowed, but a probe failed"],
  leaking: ["!", "denied, but passes"],
  proven: ["✓", "allowed and proven"],
  not_proven: ["?", "allowed, not proven"],
  allowed: ["●", "allowed"],
  docker: ["○", "allowed by Docker's default"],
  denied_proven: ["–✓", "denied and proven"],
  denied: ["–", "denied by default"],
};
// The end that is every undeclared network; no network has this name.
const UNDECLARED_END = "";

function endLabel(name) {
  return name === UNDECLARED_END ? "undeclared networks" : name;
}

// The policy by source and target. `kinds` are the ends by name, with network, host, world or block.
function makePolicy(policy, verified) {
  const kinds = new Map(policy.ends.map((end) => [end.name, end.kind]));
  const anyUndeclared = policy.denied.some((each) => !each.source || !each.target);
  const ends = [...kinds.keys(), ...(anyUndeclared ? [UNDECLARED_END] : [])];
  const from = (each) => each.source || UNDECLARED_END;
  const to = (each) => each.target || UNDECLARED_END;
  return { data: policy, verified, ends, kinds, from, to, allowed: grouped(policy.permissions, from, to),
           denied: grouped(policy.denied, from, to) };
}

// Items by source, then by target.
function grouped(items, from, to) {
  const found = new Map();
  for (const item of items) {
    if (!found.has(from(item))) found.set(from(item), new Map());
    const row = found.get(from(item));
    row.set(to(item), [...(row.get(to(item)) || []), item]);
  }
  return found;
}

function between(groups, source, target) {
  return (groups.get(source) && groups.get(source).get(target)) || [];
}

// The key of SIGNS for a pair of ends: the worst of what is known.
function signKey(view, source, target) {
  const allowed = between(view.allowed, source, target);
  const denied = between(view.denied, source, target);
  if (denied.some((each) => each.state === "failed")) return "leaking";
  if (allowed.some((each) => each.state === "failed")) return "failed";
  if (!allowed.length) return denied.length && denied.every((each) => each.state === "proven") ? "denied_proven" : "denied";
  const declared = allowed.filter((each) => each.basis !== "docker");
  if (!declared.length) return allowed.every((each) => each.state === "proven") ? "proven" : "docker";
  if (!view.verified) return "allowed";
  return declared.every((each) => each.state === "proven") ? "proven" : "not_proven";
}

// --- matrix -----------------------------------------------------------------------------------------------------------

function fillMatrix(view) {
  const table = control("policy-matrix");
  const head = element("tr");
  const corner = element("td");
  corner.append(element("span", "from ↓ to →", "corner"));
  head.append(corner);
  view.ends.forEach((name, number) => head.append(endCell(name, number, "col")));
  const top = element("thead");
  top.append(head);
  const body = element("tbody");
  const used = new Set();
  view.ends.forEach((source, number) => {
    const row = element("tr");
    row.append(endCell(source, number, "row"));
    for (const target of view.ends) {
      const cell = element("td");
      cell.dataset.end = number;
      if (canBePair(view, source, target)) {
        const key = signKey(view, source, target);
        used.add(key);
        cell.textContent = SIGNS[key][0];
        cell.className = key;
        cell.title = pairText(view, source, target, key);
        cell.setAttribute("aria-label", cell.title);
      }
      row.append(cell);
    }
    body.append(row);
  });
  table.replaceChildren(top, body);
  for (const [key, [sign, meaning]] of Object.entries(SIGNS)) {
    if (!used.has(key)) continue;
    const item = element("li");
    item.append(element("span", sign, `sign ${key}`), meaning);
    control("policy-signs").append(item);
  }
}

function endCell(name, number, scope) {
  const cell = element("th");
  cell.scope = scope;
  cell.dataset.end = number;
  cell.title = endLabel(name);
  cell.append(element("span", name === UNDECLARED_END ? "undeclared" : shorten(name, 20)));
  return cell;
}

// The policy decides about pairs with a network; all other pairs are empty. So are docker0 and undeclared networks: between
// these, Docker's own rules decide.
function canBePair(view, source, target) {
  if (between(view.allowed, source, target).length || between(view.denied, source, target).length) return true;
  const both = [source, target];
  return !both.includes(UNDECLARED_END) && both.some((name) => view.kinds.get(name) === "network");
}

function pairText(view, source, target, key) {
  const services = between(view.allowed, source, target).map((each) => each.allowed);
  return `${endLabel(source)} to ${endLabel(target)}: ${SIGNS[key][1]}${services.length ? ` (${[...new Set(services)].join("; ")})` : ""}`;
}

// --- list -------------------------------------------------------------------------------------------------------------

// The groups of the whole list: a title, and the permissions in it.
const GROUPS = [
  ["Lines of the policy", (each) => each.basis === "line"],
  ["Within a network", (each) => each.basis === "network" || each.basis === "bridge"],
  ["Docker's defaults that no line limits", (each) => each.basis === "docker"],
];

function fillList(view, end) {
  const place = control("policy-list");
  const { permissions, denied } = view.data;
  if (end === null) {
    const rows = (found) => mergedSources(mergedRows(view, found, true, true));
    const own = permissions.filter((each) => !each.implied);
    const groups = GROUPS.map(([title, isIn]) => [title, rows(own.filter(isIn))]).filter(([, found]) => found.length);
    groups.push(["Denied by default", [...rows(failures(denied)), elseRow(view, denied)]]);
    place.replaceChildren(permissionTable(["From", "To", "Traffic", "Because", "Verified"], groups));
    for (const each of view.data.not_ruled) {
      place.append(element("p", `Network ${each.name} is not part of the policy: ${each.reason}.`, "note"));
    }
  } else {
    // What an outside address has as a part of the world is in the list of that address only.
    const listed = (each) => !each.implied || view.kinds.get(end) === "block";
    const outgoing = (each) => view.from(each) === end && listed(each);
    const incoming = (each) => view.to(each) === end && listed(each);
    place.replaceChildren();
    for (const [title, label, isIn, targets] of [
      [`${endLabel(end)} may open connections to`, "To", outgoing, true],
      [`May open connections to ${endLabel(end)}`, "From", incoming, false],
    ]) {
      const own = denied.filter(isIn);
      const found = [...mergedRows(view, permissions.filter(isIn), targets), ...mergedRows(view, failures(own), targets), elseRow(view, own)];
      place.append(element("h2", title), permissionTable([label, "Traffic", "Because", "Verified"], [["", found]]));
    }
  }
  for (const cell of control("policy-matrix").querySelectorAll("th[data-end]")) {
    cell.classList.toggle("chosen", end !== null && view.ends[cell.dataset.end] === end);
  }
}

function failures(denied) {
  return denied.filter((each) => each.state === "failed");
}

// Permissions that differ only in the other end, as one row. `targets`: the other end is the target. With `both`, the rows
// of each source are merged by themselves, and name it.
function mergedRows(view, items, targets, both = false) {
  const rows = new Map();
  for (const each of items) {
    const proofs = proofLines(view, each);
    const denied = !each.basis;
    const text = denied ? [`${each.traffic}: denied`, "no line allows it"] : [each.allowed, each.because];
    const key = JSON.stringify([...text, proofs, both && each.source]);
    if (!rows.has(key)) {
      rows.set(key, { names: [], sources: both ? [endLabel(view.from(each))] : null, allowed: text[0], because: text[1], proofs,
                      kind: each.basis || "leaking" });
    }
    rows.get(key).names.push(endLabel(targets ? view.to(each) : view.from(each)));
  }
  const order = ["line", "network", "bridge", "docker", "leaking"];
  return [...rows.values()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

// Rows that differ only in their source, as one row. Within a network, the row of each names the network itself.
function mergedSources(rows) {
  const found = new Map();
  for (const row of rows) {
    const itself = row.names.length === 1 && row.names[0] === row.sources[0];
    const key = JSON.stringify([itself || row.names, row.allowed, row.because, row.proofs]);
    if (!found.has(key)) found.set(key, { ...row, sources: [], names: itself ? ["itself"] : row.names });
    found.get(key).sources.push(...row.sources);
  }
  return [...found.values()];
}

function elseRow(view, denied) {
  const row = { names: ["everything else"], sources: ["every other pair"], allowed: "denied by default",
                because: "no line allows it", proofs: [["", "not verified"]], kind: "denied" };
  const proven = denied.filter((each) => each.state === "proven").length;
  const all = proven === denied.length;
  const text = denied.length ? `${all ? "✓ " : ""}proven for ${proven} of ${denied.length} kinds of traffic` : "";
  return view.verified ? { ...row, proofs: [[all && denied.length ? "proven" : "unprobed", text]] } : row;
}

function permissionTable(labels, groups) {
  const table = element("table", undefined, `permissions columns-${labels.length}`);
  const top = element("thead");
  const head = element("tr");
  for (const label of labels) {
    const cell = element("th", label);
    cell.scope = "col";
    head.append(cell);
  }
  top.append(head);
  table.append(top);
  for (const [title, rows] of groups) {
    const body = element("tbody");
    if (title) {
      const row = element("tr", undefined, "group");
      const cell = element("th", title);
      cell.colSpan = labels.length;
      cell.scope = "rowgroup";
      row.append(cell);
      body.append(row);
    }
    for (const row of rows) body.append(permissionRow(labels, row));
    table.append(body);
  }
  return table;
}

function permissionRow(labels, row) {
  const made = element("tr", undefined, row.kind);
  const names = labels.length > 4 ? [row.sources, row.names] : [row.names];
  const cells = [...names.map((found) => element("th", found.join(", "))), element("td", row.allowed), element("td", row.because)];
  for (const cell of cells.slice(0, names.length)) cell.scope = "row";
  const proof = element("td");
  for (const [state, text] of row.proofs) proof.append(element("div", text, `proof ${state}`));
  cells.push(proof);
  cells.forEach((cell, number) => { cell.dataset.label = labels[number]; });
  made.append(...cells);
  return made;
}

// Lines of [state, text]: one per state, with the IP versions if they differ.
function proofLines(view, item) {
  if (!view.verified) return [["", "not verified"]];
  const found = new Map();
  for (const proof of item.proofs) {
    const quiet = item.basis === "docker" && proof.state === "not_proven";
    const state = quiet ? "unprobed" : !item.basis && proof.state === "failed" ? "leaking" : proof.state;
    const key = JSON.stringify([state, quiet ? null : proof.reason]);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(`IPv${proof.version}`);
  }
  return [...found].map(([key, versions]) => {
    const [state, reason] = JSON.parse(key);
    const [sign, label] = PROOFS[state];
    const of = found.size > 1 ? ` (${versions.join(", ")})` : "";
    return [state, `${sign} ${label}${of}${reason ? `: ${reason}` : ""}`];
  });
}

function fillDenied(view) {
  const place = control("policy-denied");
  const denied = view.data.denied;
  const count = (state) => denied.filter((each) => each.state === state).length;
  const proven = view.verified ? `: ${count("proven")} proven, ${count("failed")} not as declared, ${count("not_proven")} not proven` : "";
  place.querySelector("summary").textContent = `Denied by default, ${denied.length} kinds of traffic${proven}`;
  const groups = new Map();
  for (const each of denied) {
    const lines = proofLines(view, each).map(([, text]) => text).join("; ");
    groups.set(lines, [...(groups.get(lines) || []), each.denied]);
  }
  const order = (text) => "!✓?".indexOf(text[0]);
  for (const [text, kinds] of [...groups].sort((a, b) => order(a[0]) - order(b[0]))) {
    const item = element("li");
    item.append(element("b", `${text}: `), kinds.join(", "));
    place.querySelector("ul").append(item);
  }
}

// The permissions of a network as lines of text, for the details of the drawing.
function policyLines(view, name) {
  const line = (row) => `${row.names.join(", ")}: ${row.allowed} — ${row.proofs.map(([, text]) => text).join("; ")}`;
  const rows = (end, targets) => mergedRows(view, view.data.permissions.filter((each) => end(each) === name && !each.implied), targets).map(line);
  return [["May open connections to", rows(view.from, true)], ["May be reached from", rows(view.to, false)]];
}

function fillPolicy(topology) {
  const view = makePolicy(topology.policy, topology.verified !== null);
  const select = control("policy-end");
  view.ends.forEach((name, number) => select.append(new Option(endLabel(name), number)));
  const choose = () => fillList(view, select.value === "" ? null : view.ends[select.value]);
  control("policy-verified").textContent = "All traffic that is not listed as allowed is denied by default. Replies always pass. "
    + (view.verified ? `Verified ${topology.verified}.` : "Not verified: run playbooks/verify.yml.");
  control("policy-parts").classList.toggle("many", view.ends.length > 20);
  fillMatrix(view);
  fillDenied(view);
  choose();
  select.addEventListener("change", choose);
  control("policy-matrix").addEventListener("click", (event) => {
    const cell = event.target.closest("[data-end]");
    if (!cell) return;
    select.value = select.value === cell.dataset.end ? "" : cell.dataset.end;
    choose();
  });
  return view;
}
