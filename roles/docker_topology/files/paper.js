// Copyright: the fleetnet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// Print: pictures of the whole fleet and of a few hosts per page, and tables of what is not as declared.

const HOSTS_A_PAGE = 9;

// Pictures are made before printing: a browser does not wait for images.
function preparePaper() {
  const visible = visibleNodes();
  const hidden = hiddenNodes();
  const hosts = visible.filter((node) => node.kind === "host");
  const paper = control("paper");
  paper.replaceChildren(figure("Overview", visible));
  for (let first = 0; hosts.length > HOSTS_A_PAGE && first < hosts.length; first += HOSTS_A_PAGE) {
    const some = hosts.slice(first, first + HOSTS_A_PAGE);
    const ids = new Set(some.map((host) => host.id));
    const segments = new Set(some.map((host) => host.segment));
    const part = visible.filter((node) => segments.has(node.id) || ancestors(node).some((at) => ids.has(at.id)));
    paper.append(figure(`Hosts ${some[0].name} to ${some[some.length - 1].name}`, part));
  }
  paper.append(...paperTable("Not as declared", ["item", "state", "differences"], topology.nodes.concat(topology.edges)
    .filter((item) => !hidden.has(item.id) && !QUIET.has(item.state) && (item.state !== "unknown" || item.kind === "host"))
    .map((item) => [place(item), labelOf(item.state), why(item)])));
  paper.append(...paperTable("Containers", ["host", "network", "container", "addresses and ports", "probes"],
    visible.filter((node) => node.kind === "container").map((node) => {
      const [host, network] = ancestors(node).reverse();
      return [host.name, network === node ? "" : network.name, node.name, node.label.slice(1).join("\n"), proofOf(node)];
    })));
  redraw(false);
  return Promise.all([...paper.querySelectorAll("img")].map((image) => image.decode()));

  function why(item) {
    const lines = item.differences || item.details;
    const more = lines.length > 12 ? [`and ${lines.length - 12} more lines, all in topology.json`] : [];
    return [...lines.slice(0, 12), ...more].join("\n") || shownState(item.state).meaning;
  }

  function place(item) {
    return item.source ? titleOf(item) : `${item.kind} ${pathOf(item.id)}`;
  }
}

function figure(caption, nodes) {
  cy.batch(() => {
    cy.elements().remove();
    cy.add(elementsOf(topology, nodes, () => false));
  });
  const made = element("figure");
  const image = element("img");
  image.alt = caption;
  image.src = cy.png({ full: true, bg: "#ffffff", maxWidth: 2800, maxHeight: 2000, scale: 2 });
  made.append(element("figcaption", caption), image);
  return made;
}

function paperTable(title, head, lines) {
  if (!lines.length) return [];
  const made = element("table");
  const top = element("thead");
  const fillRow = (tag, cells) => {
    const row = element("tr");
    for (const cell of cells) row.append(element(tag, cell));
    return row;
  };
  top.append(fillRow("th", head));
  const body = element("tbody");
  for (const line of lines) body.append(fillRow("td", line));
  made.append(top, body);
  const columns = element("div", undefined, head.length > 3 ? "two" : "");
  columns.append(made);
  return [element("h2", title), columns];
}

window.addEventListener("beforeprint", () => {
  control("legend").open = true;
  preparePaper();
});
control("print").addEventListener("click", () => preparePaper().then(() => window.print()));
