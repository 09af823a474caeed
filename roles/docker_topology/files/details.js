// Copyright: the fleetnet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// The details of an item of the drawing: state, differences, what is around it, and its values for people.

function show(id, move = false) {
  const item = byId.get(id);
  if (!item) return;
  const hadRoutes = selected;
  selected = id;
  cy.elements().unselect();
  if (item.kind === "host" || (hadRoutes && byId.get(hadRoutes).kind === "host")) redraw(false);
  cy.getElementById(id).select();
  if (move && cy.getElementById(id).nonempty()) {
    cy.zoom(Math.max(cy.zoom(), 1));
    cy.center(cy.getElementById(id));
  }
  const place = control("details");
  place.replaceChildren(element("h2", item.source ? titleOf(item) : item.name));
  const quiet = QUIET.has(item.state) ? "" : " wrong";
  const neutral = item.state === "neutral";  // nothing is declared about it
  place.append(element("p", neutral ? item.kind : `${item.kind}: ${signOf(item.state)} ${labelOf(item.state)}`, `state${quiet}`));
  if (!neutral) place.append(element("p", shownState(item.state).meaning));
  list(place, "", item.differences || (item.source ? item.details : []));
  if (item.probes) {
    place.append(element("p", `${proofOf(item)} probes as declared`, item.passed < item.probes ? "state wrong" : "state"));
  }
  const around = (linksOf.get(id) || []).filter((edge) => edge.kind !== "underlay" || item.kind === "host");
  links(place, "Not as declared", around.filter((edge) => edge.wrong || edge.state === "undeclared"));
  if (policyView && item.kind === "network" && policyView.kinds.get(item.name) === "network" && item.state !== "undeclared") {
    for (const [title, lines] of policyLines(policyView, item.name)) list(place, title, lines);
  }
  if (item.parent) links(place, "In", [byId.get(item.parent)]);
  if (item.source) links(place, "Between", [byId.get(item.source), byId.get(item.target)].filter(Boolean));
  links(place, "Contains", topology.nodes.filter((node) => node.parent === id));
  links(place, "Connected to", around.filter((edge) => !edge.wrong && edge.state !== "undeclared"));
  if (!item.source) for (const [title, rows] of item.details) table(place, title, rows);
  if (narrow()) place.scrollIntoView({ block: "start" });
}

function titleOf(item) {
  if (!item.source) return `${signOf(item.state)} ${item.name}`.trim();
  const what = item.label ? `${item.kind} ${item.label}` : item.kind;
  const arrow = item.both_ways ? "↔" : "→";
  return `${signOf(item.state)} ${what}: ${pathOf(item.source)} ${arrow} ${pathOf(item.target)}`.trim();
}

// A node's name after the names of the nodes that contain it.
function pathOf(id) {
  return byId.has(id) ? ancestors(byId.get(id)).reverse().map((at) => at.name).join(" / ") : nameOf(id);
}

function list(place, title, lines) {
  if (!lines.length) return;
  if (title) place.append(element("h2", title));
  const made = element("ul");
  for (const line of lines.slice(0, 200)) made.append(element("li", line));
  if (lines.length > 200) made.append(element("li", `and ${lines.length - 200} more, all in topology.json`));
  place.append(made);
}

function links(place, title, items) {
  if (!items.length) return;
  place.append(element("h2", title));
  const made = element("ul");
  for (const item of items.slice(0, 100)) {
    const button = element("button", item.source || title === "Contains" ? titleOf(item) : pathOf(item.id));
    button.type = "button";
    button.addEventListener("click", () => show(item.id, true));
    const line = element("li");
    line.append(button);
    made.append(line);
  }
  if (items.length > 100) made.append(element("li", `and ${items.length - 100} more`));
  place.append(made);
}

function table(place, title, rows) {
  place.append(element("h2", title));
  const made = element("table");
  for (const [label, lines] of rows) {
    const row = element("tr");
    const head = element("th", label);
    head.scope = "row";
    const cell = element("td");
    for (const line of lines.slice(0, 100)) cell.append(element("div", line));
    if (lines.length > 100) cell.append(element("div", `and ${lines.length - 100} more, all in topology.json`));
    row.append(head, cell);
    made.append(row);
  }
  place.append(made);
}
