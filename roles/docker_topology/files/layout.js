// Copyright: the fleetnet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// The layout: containers in a grid in their network, networks on shelves in their host, hosts on shelves below the bar of
// their segment. The same nodes get the same positions. Lengths are pixels at zoom 1.

const SIZE = {
  container: { width: 158, line: 14, pad: 8 },
  network: { head: 10, line: 16, letter: 7.6, gap: 8 },
  host: { head: 82, gap: 12, letter: 18, small: 7, minimum: 190 },
  segment: { bar: 26, above: 34, below: 44, gap: 26, wide: 100 },
  aspect: 1.5,
  narrow: 0.8,  // up to this aspect, hosts are one below the other
  few: 4,  // up to this many hosts are drawn side by side and tall
};

// layout(nodes, aspect): boxes by id, {x, y, width, height} with x and y at the centre, and `bars`: one for each shelf of a
// segment, with its hosts. The whole is closest to the aspect, width by height.
function layout(nodes, aspect) {
  const inside = new Map();
  for (const node of nodes) {
    if (!inside.has(node.parent)) inside.set(node.parent, []);
    inside.get(node.parent).push(node);
  }
  const children = (id) => inside.get(id) || [];
  const boxes = new Map();
  const bars = [];
  const hosts = nodes.filter((node) => node.kind === "host");
  const few = hosts.length <= SIZE.few && aspect > SIZE.narrow;
  const inner = few ? 0.6 : aspect > SIZE.narrow ? 2 : 1;
  const sized = new Map(hosts.map((host) => [host.id, hostBox(host, children, inner)]));
  const groups = [...nodes.filter((node) => node.kind === "segment"), { id: null }]
    .map((segment) => [segment.id, hosts.filter((host) => (host.segment || null) === segment.id)
      .map((host) => ({ id: host.id, ...sized.get(host.id) }))])
    .filter(([, own]) => own.length);
  const extra = SIZE.segment.bar + SIZE.segment.above + SIZE.segment.below;
  const room = few ? Infinity : bestRoom(groups.map(([, own]) => own), SIZE.segment.gap, extra, aspect);
  let top = 0;
  for (const [segment, own] of groups) {
    const { rows, width } = shelves(own, room, few ? SIZE.segment.wide : SIZE.segment.gap);
    rows.forEach((row, number) => {
      const low = top + SIZE.segment.bar + SIZE.segment.above;
      for (const box of row.boxes) place(boxes, sized.get(box.id), box.id, box.left, low);
      if (segment) {
        bars.push({
          id: `${segment}#${number}`, segment, hosts: row.boxes.map((box) => box.id),
          x: width / 2, y: top + SIZE.segment.bar / 2, width, height: SIZE.segment.bar,
        });
      }
      top = low + row.height + SIZE.segment.below;
    });
  }
  return { boxes, bars };
}

// The width of shelves with which groups of boxes, one below the other, are closest to an aspect. `extra` is the height
// of a shelf above and below its boxes.
function bestRoom(groups, gap, extra, aspect) {
  const all = groups.flat();
  const widest = Math.max(0, ...all.map((box) => box.width));
  let best = [Infinity, widest];
  for (let columns = 1; columns <= all.length; columns += 1) {
    const room = Math.max(widest, ...groups.map((boxes) => widthOf(boxes.slice(0, columns), gap)));
    const packed = groups.map((boxes) => shelves(boxes, room, gap));
    const width = Math.max(...packed.map((item) => item.width));
    const height = packed.reduce((sum, item) => sum + item.height + item.rows.length * extra, 0);
    const size = Math.max(width, height * aspect);  // the extent to show
    if (size < best[0]) best = [size, room];
  }
  return best[1];
}

function widthOf(boxes, gap) {
  return boxes.reduce((sum, box) => sum + box.width + gap, -gap);
}

function hostBox(host, children, aspect) {
  const networks = children(host.id).map((node) => ({ id: node.id, ...innerBox(node, children) }));
  const packed = columns(networks, SIZE.host.gap, aspect);
  const title = Math.max(withState(host, shorten(host.name, 30)).length * SIZE.host.letter, ...hostFacts(host).map((line) => line.length * SIZE.host.small));
  const inner = Math.max(packed.width, title, SIZE.host.minimum);
  const wider = (inner - packed.width) / packed.count;  // each column's share of the title's extra width
  return {
    width: inner + 2 * SIZE.host.gap,
    height: SIZE.host.head + packed.height + SIZE.host.gap,
    inner: packed.boxes.map((box) => widen({
      ...box, left: box.left + SIZE.host.gap + box.column * wider, top: box.top + SIZE.host.head,
    }, box.width + wider)),
  };
}

// The box with its content centred.
function widen(box, width) {
  const shift = (width - box.width) / 2;
  return { ...box, width, inner: box.inner.map((child) => ({ ...child, left: child.left + shift })) };
}

// Boxes in columns of equal width, each box in the shortest column; the number of columns is closest to the aspect.
function columns(boxes, gap, aspect) {
  const width = Math.max(0, ...boxes.map((box) => box.width));
  let best = null;
  for (let count = 1; count <= Math.max(1, boxes.length); count += 1) {
    const tops = Array(count).fill(0);
    const placed = boxes.map((box) => {
      const column = tops.indexOf(Math.min(...tops));
      const top = tops[column];
      tops[column] += box.height + gap;
      return { ...widen(box, width), column, left: column * (width + gap), top };
    });
    const all = { boxes: placed, count, width: Math.max(0, count * (width + gap) - gap), height: Math.max(gap, ...tops) - gap };
    const size = Math.max(all.width, all.height * aspect);
    if (!best || size < best.size) best = { ...all, size };
  }
  return best;
}

// A network with its containers, or a container directly in its host.
function innerBox(node, children) {
  if (node.kind === "container") return containerBox(node);
  const members = children(node.id).map((member) => ({ id: member.id, ...containerBox(member) }));
  const columns = members.length <= 3 ? 1 : members.length <= 8 ? 2 : members.length <= 18 ? 3 : 4;
  const head = SIZE.network.head + networkLines(node).length * SIZE.network.line;
  const title = Math.max(...networkLines(node).map((line) => line.length * SIZE.network.letter)) + 16;
  const inner = [];
  let top = head;
  for (let first = 0; first < members.length; first += columns) {
    const row = members.slice(first, first + columns);
    row.forEach((box, column) => inner.push({
      ...box, left: SIZE.network.gap + column * (SIZE.container.width + SIZE.network.gap), top,
    }));
    top += Math.max(...row.map((box) => box.height)) + SIZE.network.gap;
  }
  const filled = Math.min(columns, members.length) * (SIZE.container.width + SIZE.network.gap) + SIZE.network.gap;
  return { width: Math.max(title, filled, SIZE.container.width), height: members.length ? top : head + 6, inner };
}

function containerBox(node) {
  return {
    width: SIZE.container.width,
    height: SIZE.container.pad + containerLines(node).length * SIZE.container.line,
    inner: [],
  };
}

// Boxes side by side in order, on as many shelves as the width requires.
function shelves(boxes, room, gap) {
  const rows = [];
  let row = null;
  let top = 0;
  for (const box of boxes) {
    if (!row || row.right + box.width > room + 1) {
      if (row) top += row.height + gap;
      row = { boxes: [], right: 0, height: 0, top };
      rows.push(row);
    }
    row.boxes.push({ ...box, left: row.right });
    row.right += box.width + gap;
    row.height = Math.max(row.height, box.height);
  }
  return {
    rows,
    width: Math.max(0, ...rows.map((item) => item.right - gap)),
    height: row ? top + row.height : 0,
  };
}

function place(boxes, box, id, left, top) {
  boxes.set(id, {
    x: left + box.width / 2, y: top + box.height / 2, width: box.width, height: box.height,
  });
  for (const child of box.inner) place(boxes, child, child.id, left + child.left, top + child.top);
}

// --- text of boxes ----------------------------------------------------------------------------------------------------

const STATES = new Map();  // state -> { label, sign, meaning }; filled from the data

function shownState(state) {
  return STATES.get(state) || { label: state, sign: "", meaning: "" };
}

function signOf(state) {
  return shownState(state).sign;
}

function labelOf(state) {
  return shownState(state).label;
}

// States that are not highlighted.
const QUIET = new Set(["as_declared", "neutral"]);

// A long name without its middle: names differ at their beginning and end.
function shorten(text, most = 20) {
  return text.length <= most ? text : `${text.slice(0, most - 9)}…${text.slice(-8)}`;
}

function withState(node, text) {
  return QUIET.has(node.state) ? text : `${signOf(node.state)} ${text} (${labelOf(node.state)})`;
}

function proofOf(node) {
  if (!node.probes) return "";
  return node.passed === node.probes ? `✓ ${node.probes}` : `✗ ${node.passed}/${node.probes}`;
}

function containerLines(node) {
  const [name, ...rest] = node.label;
  const quiet = QUIET.has(node.state) || node.state === "drifted";
  const lines = [`${signOf(node.state)} ${shorten(name)}`.trim(), ...rest.map((line) => shorten(line, 26))];
  const proof = proofOf(node);
  if (proof && lines.length > 1) lines[1] += `   ${proof}`;
  return quiet ? lines : [...lines, labelOf(node.state)];
}

function networkLines(node) {
  const [name, ...rest] = node.label;
  return [withState(node, shorten(name, 28)), ...rest];
}

// Two lines below a host's name.
function hostFacts(node) {
  const rest = node.label.slice(1);
  const half = Math.min(2, rest.length);
  const proof = node.probes ? [`probes ${proofOf(node)}`] : [];
  return [rest.slice(0, half), [...rest.slice(half), ...proof]].map((parts) => parts.join("  ·  ")).filter(Boolean);
}
