// The live page: asks for a snapshot once a second, keeps the last ten minutes, and draws what is looked at.
'use strict';

const KEPT = 600;
const token = document.querySelector('meta[name=zonewalk-token]').content;
const $ = id => document.getElementById(id);
const percent = share => share === null || share === undefined ? '–' : `${Math.round(share * 1000) / 10} %`;
const number = value => value >= 100 ? Math.round(value).toLocaleString('en') : String(Math.round(value * 10) / 10);
const ms = value => value === null || value === undefined ? '–' : `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
const clock = at => new Date(at).toLocaleTimeString('en-GB');
const STATES = {
  locality_direct: 'stays in its zone', locality_residual: 'spills over', no_locality_routing: 'zones do not count', panic: 'panic',
};

let frames = [];       // oldest first: {snap, flows, total, share, errors}
let pinned = null;     // the moment that is looked at, as `at`; null: the latest
let asked = new URLSearchParams(location.search);
let told = '';

// ---- what is asked and changed

async function refresh() {
  try {
    const answer = await fetch(`/_zonewalk/live/state?${asked}`, { cache: 'no-store' });
    const snap = await answer.json();
    if (!answer.ok) throw new Error(snap.message);
    note(snap);
  } catch (error) {
    state('bad', 'no answer');
    say(`The local cloud does not answer: ${error.message}`);
  }
}

async function act(order) {
  const place = latest()?.snap.place;
  if (!place) return;
  const answer = await fetch('/_zonewalk/live/do', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-zonewalk-token': token },
    body: JSON.stringify({ ...place, ...order }),
  });
  const { message } = await answer.json();
  if (!answer.ok) say(message, true);
  await refresh();
}

function say(text, aloud) {
  if (text === told && !aloud) return;
  told = text;
  $('says').textContent = text;
  if (aloud) state('bad', text);
}

function state(kind, text) {
  $('state').className = `pill ${kind}`;
  $('state').textContent = text;
}

// ---- frames

const latest = () => frames[frames.length - 1];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// What happened since the snapshot before: requests a second by zones of frontend and backend.
function note(snap) {
  const before = latest()?.snap;
  if (before && !same(before.place, snap.place)) frames = [];
  const flows = {};
  let [total, stays, errors] = [0, 0, 0];
  if (before && same(before.place, snap.place)) {
    const seconds = Math.max((snap.at - before.at) / 1000, 0.05);
    for (const proxy of snap.proxies) {
      const earlier = before.proxies.find(other => other.task === proxy.task);
      const grown = (now, then) => Math.max(0, now - (then ?? 0)) / seconds;
      for (const [to, count] of Object.entries(proxy.requests)) {
        const rate = grown(count, earlier?.requests[to]);
        const key = `${proxy.zone}>${to}`;
        flows[key] = (flows[key] ?? 0) + rate;
        total += rate;
        if (to === proxy.zone) stays += rate;
      }
      errors += grown(proxy.counters.upstream_rq_5xx, earlier?.counters.upstream_rq_5xx);
    }
  }
  const frame = { snap, flows, total, errors, share: total > 0 ? stays / total : null };
  announce(frame);
  frames.push(frame);
  frames = frames.slice(-KEPT);
  draw();
}

function announce({ snap, errors }) {
  const before = latest();
  const states = snap => [...new Set((snap.predicted?.zones ?? []).map(zone => STATES[zone.state]))].join(', ');
  if (before && states(before.snap) !== states(snap)) say(`Prediction: traffic ${states(snap) || 'has no frontend'}`);
  if (before && before.errors === 0 && errors > 0) say('Requests fail');
}

// ---- elements that stay as long as their key is used

const SVG = 'http://www.w3.org/2000/svg';

function keyed(parent) {
  const old = parent.elements ?? new Map();
  const used = new Map();
  parent.elements = used;
  return {
    put(key, tag, attributes = {}, text) {
      const element = old.get(key) ?? (parent.namespaceURI === SVG ? document.createElementNS(SVG, tag) : document.createElement(tag));
      for (const [name, value] of Object.entries(attributes)) {
        if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
      }
      if (text !== undefined && element.textContent !== text) element.textContent = text;
      used.set(key, element);
      return element;
    },
    end() {
      for (const [key, element] of old) if (!used.has(key)) element.remove();
      let at = parent.firstChild;
      for (const element of used.values()) {
        if (element === at) at = at.nextSibling;
        else parent.insertBefore(element, at);
      }
    },
  };
}

// ---- the picture

function drawPicture({ snap, flows, total }) {
  const svg = $('picture');
  const [width, height] = [svg.clientWidth || 720, 412];
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('height', height);
  const paint = keyed(svg);
  const { zones, tasks, load_balancer: entry, trouble } = snap;
  const gap = width < 500 ? 6 : 16;
  const column = (width - gap * (zones.length - 1)) / Math.max(zones.length, 1);
  const middle = index => index * (column + gap) + column / 2;
  const [frontTop, backTop] = [112, 312];
  const pitch = 26;
  const inRow = Math.max(1, Math.floor((column - 32) / pitch));
  const crowded = zones.some(zone => ['frontend', 'backend'].some(role => tasks.filter(task => task.zone === zone.id && task.role === role).length > inRow));
  const boxHeight = crowded ? 92 : 70;
  const most = Math.max(...frames.map(frame => frame.total), 1) / Math.max(zones.length, 1);
  const thick = rate => rate <= 0 ? 0 : Math.max(1.5, Math.min(column * 0.3, 34) * rate / most);

  if (entry) {
    paint.put('lb', 'rect', { x: 0, y: 0, width, height: 40, rx: 10, class: 'lb' });
    const words = width < 500 ? entry.name : `Load balancer ${entry.name}`;
    paint.put('lb-text', 'text', { x: width / 2, y: 25, 'text-anchor': 'middle', 'font-weight': 600 }, `${words} · ${number(total)}/s`);
  }
  zones.forEach((zone, index) => {
    const x = index * (column + gap);
    const cut = trouble.cut_zones.includes(zone.id);
    paint.put(`zone ${zone.id}`, 'rect', { x, y: 64, width: column, height: height - 66, rx: 12, class: cut ? 'zone cut' : 'zone' });
  });
  // Bands under boxes: from the load balancer, then between services, the thick ones first.
  const rows = id => zones.reduce((sum, to) => sum + (flows[`${id}>${to.id}`] ?? 0), 0);
  zones.forEach((zone, index) => {
    const rate = rows(zone.id);
    paint.put(`entry ${zone.id}`, 'path', { d: `M${middle(index)} 40V${frontTop}`, class: 'band entry', 'stroke-width': thick(rate) });
  });
  const labels = [];
  zones.forEach((from, i) => zones.forEach((to, j) => {
    const rate = flows[`${from.id}>${to.id}`] ?? 0;
    const spread = Math.min(column * 0.28, 60) / Math.max(zones.length - 1, 1);
    const center = (zones.length - 1) / 2;
    const [x1, x2] = [middle(i) + (j - center) * spread, middle(j) + (i - center) * spread];
    const [y1, y2] = [frontTop + boxHeight, backTop];
    const d = `M${x1} ${y1}C${x1} ${y1 + 62} ${x2} ${y2 - 62} ${x2} ${y2}`;
    const kind = i === j ? 'same' : 'cross';
    paint.put(`band ${from.id} ${to.id}`, 'path', { d, class: `band ${kind}`, 'stroke-width': thick(rate) });
    paint.put(`flow ${from.id} ${to.id}`, 'path', { d, class: 'flow', visibility: rate > 0 ? 'visible' : 'hidden' });
    const share = rate / (rows(from.id) || 1);
    const [t, y] = [i === j ? 0.5 : 0.78, (y1 + y2) / 2];
    const [u, at] = [1 - t, t * t * (3 - 2 * t)];
    const down = u * u * u * y1 + 3 * u * u * t * (y1 + 62) + 3 * u * t * t * (y2 - 62) + t * t * t * y2;
    if (share >= 0.02) labels.push([`${from.id} ${to.id}`, x1 + (x2 - x1) * at, (i === j ? y : down) + 5, share, i === j]);
  }));
  zones.forEach((zone, index) => {
    const x = index * (column + gap);
    const y = 84;
    paint.put(`name ${zone.id}`, 'text', { x: x + 12, y, 'font-weight': 600 }, zone.id);
    const notes = [trouble.cut_zones.includes(zone.id) && 'cut off', trouble.failing_zones.includes(zone.id) && 'failing'].filter(Boolean);
    paint.put(`note ${zone.id}`, 'text', { x: x + 12, y: y + 16, class: notes.length ? '' : 'soft optional', fill: 'currentColor' }, notes.join(', ') || zone.name);
    for (const [role, top, words] of [['frontend', frontTop, 'frontends'], ['backend', backTop, 'backends']]) {
      const here = tasks.filter(task => task.zone === zone.id && task.role === role);
      paint.put(`box ${role} ${zone.id}`, 'rect', { x: x + 8, y: top, width: column - 16, height: boxHeight, rx: 9, class: 'box' });
      const ready = here.filter(task => task.is_discovered).length;
      paint.put(`count ${role} ${zone.id}`, 'text', { x: x + 18, y: top + 22, class: 'soft' }, `${ready} ${ready === 1 ? words.slice(0, -1) : words}`);
      here.slice(0, inRow * 2).forEach((task, at) => {
        const failing = role === 'backend' && trouble.failing_zones.includes(zone.id);
        const kind = !task.is_discovered && task.status !== 'RUNNING' ? (/PEND|PROV|ACTIV/.test(task.status) && task.status !== 'DEACTIVATING' ? 'starting' : 'ending') : failing ? 'failing' : '';
        const place = { x: x + 18 + (at % inRow) * pitch, y: top + 34 + Math.floor(at / inRow) * pitch, width: 20, height: 20, rx: 5.5 };
        const square = paint.put(`task ${task.arn}`, 'rect', { ...place, class: `task ${role} ${kind}` });
        if (!square.firstChild) square.append(document.createElementNS(SVG, 'title'));
        square.firstChild.textContent = `${task.service} ${task.id.slice(0, 8)}: ${task.status.toLowerCase()}${task.health ? `, ${task.health}` : ''}`;
      });
    }
  });
  for (const [key, x, y, share, own] of labels) {
    if (own || width >= 500) paint.put(`label ${key}`, 'text', { x, y, 'text-anchor': 'middle', class: 'label' }, `${Math.round(share * 100)} %`);
  }
  paint.end();
}

// ---- charts

function drawChart(id, series, top, unit, cursor) {
  const svg = $(id);
  const [width, height, left] = [svg.clientWidth || 320, 150, 46];
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('height', height);
  const paint = keyed(svg);
  const seconds = Math.max(60, frames.length);
  const x = index => left + (width - left) * (index + seconds - frames.length) / Math.max(seconds - 1, 1);
  const y = value => 8 + (height - 32) * (1 - Math.min(value, top) / top);
  for (const part of [0, 0.5, 1]) {
    paint.put(`line ${part}`, 'line', { x1: left, x2: width, y1: y(part * top), y2: y(part * top), class: 'grid-line' });
    paint.put(`tick ${part}`, 'text', { x: left - 8, y: y(part * top) + 4, 'text-anchor': 'end', class: 'soft' }, unit(part * top));
  }
  paint.put('from', 'text', { x: left, y: height - 4, class: 'soft' }, seconds >= 120 ? `${Math.round(seconds / 60)} min ago` : `${seconds} s ago`);
  paint.put('to', 'text', { x: width, y: height - 4, 'text-anchor': 'end', class: 'soft' }, 'now');
  for (const [name, values] of Object.entries(series)) {
    let d = '';
    values.forEach((value, index) => {
      if (value === null || value === undefined) return;
      const goes_on = index > 0 && values[index - 1] !== null && values[index - 1] !== undefined;
      d += `${goes_on ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}${goes_on ? '' : 'h.1'}`;
    });
    paint.put(name, 'path', { d, class: `series ${name}` });
  }
  if (cursor !== null) paint.put('cursor', 'line', { x1: x(cursor), x2: x(cursor), y1: 8, y2: height - 24, class: 'cursor' });
  paint.end();
}

// ---- text, tables, controls

function rows(body, list) {
  const paint = keyed(body);
  for (const [key, cells] of list) {
    const inner = keyed(paint.put(key, 'tr'));
    cells.forEach(([tag, text, attributes = {}, fill], index) => {
      const cell = inner.put(`${index}`, tag, attributes, fill ? undefined : text);
      if (fill) fill(cell);
    });
    inner.end();
  }
  paint.end();
}

function drawPrediction({ snap, flows }) {
  const { zones, predicted } = snap;
  const head = [['th', 'From \\ to', { scope: 'col' }], ...zones.map(zone => ['th', zone.id, { scope: 'col', class: 'n' }])];
  rows($('matrix').tHead, [['head', head]]);
  rows($('matrix').tBodies[0], (predicted?.zones ?? []).map(of => {
    const total = zones.reduce((sum, to) => sum + (flows[`${of.zone}>${to.id}`] ?? 0), 0);
    const cells = zones.map(to => {
      const expected = of.zone_share[to.id] ?? 0;
      const seen = total > 0 ? (flows[`${of.zone}>${to.id}`] ?? 0) / total : null;
      const kind = !seen ? 'none' : to.id === of.zone ? 'same' : 'cross';
      return ['td', '', { class: 'n' }, cell => {
        const inner = keyed(cell);
        inner.put('seen', 'span', { class: `cell ${kind}` }, percent(seen));
        inner.put('expected', 'small', {}, `pred. ${percent(expected)}`);
        inner.end();
      }];
    });
    return [of.zone, [['th', of.zone, { scope: 'row' }], ...cells]];
  }));
  const reasons = keyed($('reasons'));
  const byReason = new Map();
  for (const of of predicted?.zones ?? []) byReason.set(of.reason, [...(byReason.get(of.reason) ?? []), of]);
  for (const [reason, ofs] of byReason) {
    reasons.put(reason, 'li', {}, `${STATES[ofs[0].state]}: ${reason}`);
  }
  reasons.end();
  const threshold = $('threshold');
  if (document.activeElement !== threshold && predicted) threshold.value = predicted.min_cluster_size;
}

// A button whose listener is put on once; what it does is looked up when it is pressed.
function button(paint, key, text, label, attributes, action) {
  const made = paint.put(key, 'button', { type: 'button', 'aria-label': label, ...attributes }, text);
  if (!made.action) made.addEventListener('click', () => made.action());
  made.action = action;
  return made;
}

function drawControls({ snap }) {
  const counts = keyed($('counts'));
  for (const { name, desired, running, pending } of snap.services) {
    const row = keyed(counts.put(name, 'div', { class: 'row', role: 'group', 'aria-label': `Tasks of ${name}` }));
    row.put('name', 'span', {}, name);
    button(row, 'less', '−', `One task less of ${name}`, {}, () => act({ do: 'count', service: name, count: Math.max(0, desired - 1) }));
    row.put('count', 'b', {}, String(desired));
    button(row, 'more', '+', `One task more of ${name}`, {}, () => act({ do: 'count', service: name, count: desired + 1 }));
    row.put('now', 'span', { class: 'soft' }, pending > 0 ? `${running} run, ${pending} start` : `${running} run`);
    row.end();
  }
  counts.end();
  const zones = keyed($('zones'));
  for (const { id } of snap.zones) {
    const row = keyed(zones.put(id, 'div', { class: 'row', role: 'group', 'aria-label': `Zone ${id}` }));
    row.put('name', 'span', {}, id);
    const [failing, cut] = [snap.trouble.failing_zones.includes(id), snap.trouble.cut_zones.includes(id)];
    button(row, 'fail', 'Backends fail', `Backends fail in ${id}`, { 'aria-pressed': failing }, () => act({ do: 'fail', zone: id, on: !failing }));
    button(row, 'cut', 'Cut off', `Cut off ${id}`, { 'aria-pressed': cut }, () => act({ do: 'cut', zone: id, on: !cut }));
    row.end();
  }
  zones.end();
  for (const input of [$('rate'), $('rate-number')]) {
    input.max = snap.traffic.most;
    if (document.activeElement !== input) input.value = snap.traffic.rate;
  }
  if (document.activeElement !== $('header')) $('header').value = snap.traffic.header;
  for (const link of ['same_zone_ms', 'cross_zone_ms']) {
    if (document.activeElement !== $(link)) $(link).value = snap.conditions.links[link];
  }
  const kinds = snap.faults.map(fault => fault.kind).join();
  const preset = { '': 'none', delay: 'slow', throttle: 'throttled', 'server-error': 'failing' }[kinds] ?? 'other';
  if (document.activeElement !== $('faults')) $('faults').value = preset;
}

const COUNTERS = [
  ['upstream_rq_completed', 'requests'], ['upstream_rq_5xx', '5xx'], ['upstream_rq_retry', 'retries'],
  ['outlier_detection.ejections_active', 'ejected'], ['lb_zone_routing_all_directly', 'lb_zone_routing_all_directly'],
  ['lb_zone_routing_sampled', '…sampled'], ['lb_zone_routing_cross_zone', '…cross_zone'],
  ['lb_zone_cluster_too_small', 'lb_zone_cluster_too_small'],
];

function drawTasks({ snap }) {
  const numbers = COUNTERS.map(([name, shown]) => ['th', shown, { scope: 'col', class: 'n', title: name }]);
  const head = ['Zone', 'Service', 'Task', 'Status'].map(text => ['th', text, { scope: 'col' }]);
  rows($('tasks').tHead, [['head', [...head, ['td', ''], ...numbers]]]);
  rows($('tasks').tBodies[0], snap.tasks.map(task => {
    const proxy = snap.proxies.find(proxy => proxy.task === task.arn);
    const status = `${task.status.toLowerCase()}${task.health ? `, ${task.health}` : ''}`;
    const cells = COUNTERS.map(([name]) => ['td', proxy ? (proxy.counters[name] ?? 0).toLocaleString('en') : '', { class: 'n' }]);
    const stop = ['td', '', {}, cell => {
      const inner = keyed(cell);
      button(inner, 'stop', 'Stop', `Stop task ${task.id.slice(0, 8)} of ${task.service}`, {}, () => act({ do: 'stop', task: task.arn }));
      inner.end();
    }];
    return [task.arn, [['td', task.zone], ['td', task.service], ['td', task.id.slice(0, 8), { title: task.arn }], ['td', status], stop, ...cells]];
  }));
}

function drawEvents({ snap }) {
  const paint = keyed($('events'));
  snap.events.forEach((event, index) => {
    const item = keyed(paint.put(`${event.at} ${event.text} ${index}`, 'li'));
    item.put('at', 'time', { datetime: new Date(event.at).toISOString() }, clock(event.at));
    item.put('text', 'span', { class: event.went_well ? '' : 'bad' }, event.text.replace(/arn:aws:\S*?[:/]([\w-]+)\/[0-9a-f]{16}/g, '$1'));
    item.end();
  });
  paint.end();
}

function drawPlaces({ snap }) {
  const paint = keyed($('place'));
  for (const place of snap.places) {
    const value = new URLSearchParams(place).toString();
    paint.put(value, 'option', { value }, `${place.cluster} in ${place.region}`);
  }
  paint.end();
  $('place').hidden = snap.places.length === 0;
  if (snap.place && document.activeElement !== $('place')) $('place').value = new URLSearchParams(snap.place).toString();
  $('about').textContent = `${snap.proxies_are === "zonewalk's own" ? "zonewalk's own proxies" : snap.proxies_are} · ${snap.version}`;
}

function figure(id, value, small) {
  const paint = keyed($(id));
  paint.put('value', 'span', {}, value);
  paint.put('small', 'small', {}, small);
  paint.end();
}

function draw() {
  let index = frames.length - 1;
  if (pinned !== null) {
    index = frames.findIndex(frame => frame.snap.at >= pinned);
    if (index <= 0 && frames[0].snap.at > pinned) index = 0;
  }
  const frame = frames[index];
  const isLive = pinned === null;
  const { snap } = frame;
  $('empty').hidden = snap.services.length > 0;
  for (const part of [...document.querySelectorAll('main > :not(#empty, #says)')]) part.hidden = snap.services.length === 0;
  drawPlaces(frame);
  const slider = $('when');
  slider.max = Math.max(frames.length - 1, 0);
  slider.value = index;
  const ago = Math.round((latest().snap.at - snap.at) / 1000);
  $('when-says').textContent = isLive ? 'now' : `${clock(snap.at)}, ${ago} s ago`;
  slider.setAttribute('aria-valuetext', isLive ? 'now' : `${ago} seconds ago`);
  $('live').disabled = isLive;
  if (isLive) state(frame.errors > 0 ? 'bad' : 'good', frame.errors > 0 ? `live, ${number(frame.errors)} errors/s` : 'live');
  else state('warn', 'history');
  if (snap.services.length === 0) return;
  const second = snap.traffic.second;
  const failed = Object.entries(second.errors ?? {}).map(([what, count]) => `${count} × ${what}`).join(', ');
  figure('share', percent(frame.share), `predicted ${percent(snap.predicted?.same_zone_share)}`);
  figure('rate-seen', number(frame.total), frame.errors > 0 ? `${number(frame.errors)} errors/s` : failed && snap.traffic.rate > 0 ? failed : 'through the proxies');
  figure('same-ms', ms(second.same_zone_ms?.p50), `p99 ${ms(second.same_zone_ms?.p99)}`);
  figure('cross-ms', ms(second.cross_zone_ms?.p50), `p99 ${ms(second.cross_zone_ms?.p99)}`);
  drawPicture(frame);
  const own = frames.map(({ snap }) => snap.traffic.rate > 0 ? snap.traffic.second : {});
  const latencies = { same: own.map(second => second.same_zone_ms?.p50 ?? null), cross: own.map(second => second.cross_zone_ms?.p50 ?? null) };
  const slowest = Math.max(1, ...latencies.same, ...latencies.cross);
  const cursor = isLive ? null : index;
  drawChart('share-chart', { predicted: frames.map(({ snap }) => snap.predicted?.same_zone_share ?? null), same: frames.map(({ share }) => share) }, 1, percent, cursor);
  drawChart('latency-chart', latencies, Math.ceil(slowest * 1.15), value => `${Math.round(value * 10) / 10} ms`, cursor);
  drawPrediction(frame);
  drawControls(frame);
  drawTasks(frame);
  drawEvents(frame);
  // The past is looked at, not changed.
  for (const control of document.querySelectorAll('#handled button, #handled input, #handled select, #tasks button')) {
    control.disabled = !isLive;
  }
}

// ---- what the user does

$('when').addEventListener('input', event => {
  const index = Number(event.target.value);
  pinned = index >= frames.length - 1 ? null : frames[index].snap.at;
  draw();
});
$('live').addEventListener('click', () => { pinned = null; draw(); $('when').focus(); });
$('place').addEventListener('change', event => { asked = new URLSearchParams(event.target.value); pinned = null; refresh(); });
for (const id of ['rate', 'rate-number']) {
  $(id).addEventListener('change', event => {
    const rate = Math.round(Number(event.target.value));
    send(Math.min(Math.max(rate || 0, 0), Number($('rate').max)));
  });
}
function send(rate) { act({ do: 'traffic', rate, header: $('header').value }); }
$('header').addEventListener('change', () => send(latest()?.snap.traffic.rate ?? 0));
$('rate').addEventListener('input', event => { $('rate-number').value = event.target.value; });
$('threshold').addEventListener('change', event => act({ do: 'threshold', min_cluster_size: Math.max(0, Math.round(Number(event.target.value) || 0)) }));
for (const link of ['same_zone_ms', 'cross_zone_ms']) {
  $(link).addEventListener('change', () => act({ do: 'links', same_zone_ms: Number($('same_zone_ms').value), cross_zone_ms: Number($('cross_zone_ms').value) }));
}
$('faults').addEventListener('change', event => act({ do: 'faults', preset: event.target.value }));
addEventListener('resize', () => { if (frames.length) draw(); });

async function run() {
  for (;;) {
    await refresh();
    await new Promise(after => setTimeout(after, 1000));
  }
}
run();
