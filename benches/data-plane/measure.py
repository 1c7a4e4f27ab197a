"""Measures what carries a request through each proxy, and writes the tables and the plot of docs/performance.md.

The proxy has one core to itself; load (wrk) and upstream (nginx) share the other. A figure is the median of its runs, and what
is measured is what the kernel says of the proxy's processes and what wrk says of its requests.
"""

import argparse
import contextlib
import datetime
import functools
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
PROXY_CORE, LOAD_CORE = "0", "1"
PORT, FIRST_UPSTREAM = 8100, 20000
ZONES = ["az1", "az2", "az3"]
EVEN = {"az1": 2, "az2": 2, "az3": 2}
# Most callers are in the proxy's own zone, which has a third of the endpoints: half of its requests leave.
CROWDED = {"az1": 4, "az2": 1, "az3": 1}
BODIES = {"100B": 100, "10KB": 10_000, "1MB": 1_000_000}
TICKS = os.sysconf("SC_CLK_TCK")

REPORT = """
local pause = tonumber(os.getenv("PAUSE_MS"))
if pause then delay = function() return math.random() * 2 * pause end end
done = function(summary, latency)
  local errors = summary.errors
  print("RESULT " .. string.format('{"requests": %d, "us": %d, "p50": %g, "p99": %g, "p999": %g, "max": %g, "errors": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def pinned(core, *command):
    return ["taskset", "--cpu-list", core, *map(str, command)]


def wait_for(port, process):
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} has ended: {process.stderr.read() if process.stderr else ''}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens at {port}")


def family(pid):
    """The process and what it has started."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def cpu_seconds(pid):
    def of(one):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    return sum(of(one) for one in family(pid)) / TICKS


def peak_mib(pid):
    def of(one):
        lines = pathlib.Path(f"/proc/{one}/status").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)

    return sum(of(one) for one in family(pid)) / 1024


@contextlib.contextmanager
def running(command, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(port, process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


NGINX = """
worker_processes 1;
worker_rlimit_nofile 60000;
daemon off;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 40000; multi_accept on; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  {rest}
}}
"""


@contextlib.contextmanager
def upstream(directory, endpoints):
    """nginx, at as many ports as there are endpoints."""
    site = directory / "upstream"
    (site / "files").mkdir(parents=True, exist_ok=True)
    for name, size in BODIES.items():
        (site / "files" / name).write_bytes(b"x" * size)
    with open(site / "files" / "1GB", "wb") as large:
        large.truncate(1_000_000_000)
    listen = "".join(f"listen 127.0.0.1:{FIRST_UPSTREAM + number};" for number in range(endpoints))
    rest = f"server {{ {listen} root {site}/files; location = /100B {{ return 200 {'x' * 100}; }} }}"
    config = site / "nginx.conf"
    config.write_text(NGINX.format(directory=site, rest=rest))
    with running(pinned(LOAD_CORE, "nginx", "-c", config), FIRST_UPSTREAM):
        yield


def ports(count):
    return range(FIRST_UPSTREAM, FIRST_UPSTREAM + count)


class Direct:
    name = "no proxy"
    port = FIRST_UPSTREAM

    @contextlib.contextmanager
    def start(self, directory, endpoints, local):
        yield None


class Nginx:
    name = "nginx"
    port = PORT

    @contextlib.contextmanager
    def start(self, directory, endpoints, local):
        site = directory / "nginx"
        site.mkdir(exist_ok=True)
        servers = "".join(f"server 127.0.0.1:{port};" for port in ports(endpoints))
        rest = f"""
          upstream backend {{ {servers} keepalive 6000; keepalive_requests 1000000000; }}
          server {{
            listen 127.0.0.1:{PORT} backlog=8192;
            location / {{
              proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0;
            }}
          }}"""
        config = site / "nginx.conf"
        config.write_text(NGINX.format(directory=site, rest=rest))
        with running(pinned(PROXY_CORE, "nginx", "-c", config), PORT) as process:
            yield process


class HaProxy:
    name = "HAProxy"
    port = PORT

    @contextlib.contextmanager
    def start(self, directory, endpoints, local):
        servers = "\n".join(f"  server s{port} 127.0.0.1:{port}" for port in ports(endpoints))
        config = directory / "haproxy.cfg"
        config.write_text(f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
frontend in
  bind 127.0.0.1:{PORT} backlog 8192
  default_backend backend
backend backend
  balance roundrobin
{servers}
""")
        with running(pinned(PROXY_CORE, "haproxy", "-db", "-f", config), PORT) as process:
            yield process


class Envoy:
    name = "Envoy"
    port = PORT
    binary = None
    updates = "cluster.backend.update_success"

    def assignment(self, name, by_zone):
        def endpoint(address, port, health):
            place = {"address": {"socket_address": {"address": address, "port_value": port}}}
            return {"endpoint": place, "health_status": health.upper()}

        localities = [
            {"locality": {"region": "r", "zone": zone}, "lb_endpoints": [endpoint(*one) for one in found]}
            for zone, found in by_zone.items()
        ]
        kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
        return json.dumps({"resources": [{"@type": kind, "cluster_name": name, "endpoints": localities}]})

    @functools.cache
    def backend(self, endpoints, idle):
        return self.assignment("backend", by_zone(endpoints, idle))

    def change(self, directory, endpoints, idle=range(0)):
        next_one = directory / "eds" / "next"
        next_one.write_text(self.backend(endpoints, idle))
        next_one.rename(directory / "eds" / "backend.json")

    @contextlib.contextmanager
    def start(self, directory, endpoints, local):
        (directory / "eds").mkdir(exist_ok=True)
        self.change(directory, ports(endpoints))
        tasks = {zone: [("127.0.0.1", 1 + number, "healthy") for number in range(count)] for zone, count in local.items()}
        (directory / "eds" / "local.json").write_text(self.assignment("local", tasks))
        kinds = "type.googleapis.com/envoy.extensions"
        manager = f"{kinds}.filters.network.http_connection_manager.v3.HttpConnectionManager"
        retry = {
            "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
            "retriable_status_codes": [503],
            "num_retries": 2,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": f"{kinds}.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
                }
            ],
            "host_selection_retry_max_attempts": 5,
        }
        route = {"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "15s", "retry_policy": retry}}
        connections = {
            "@type": manager,
            "stat_prefix": "egress",
            "route_config": {"virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": [route]}]},
            "http_filters": [
                {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{kinds}.filters.http.router.v3.Router"}}
            ],
        }
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]

        def eds(name):
            source = {"resource_api_version": "V3", "path_config_source": {"path": str(directory / "eds" / f"{name}.json")}}
            return {"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": source}, "lb_policy": "ROUND_ROBIN"}

        many = {"max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000, "max_retries": 1024}
        backend = {
            **eds("backend"),
            "connect_timeout": "1s",
            "common_lb_config": {"zone_aware_lb_config": {"min_cluster_size": 6}, "healthy_panic_threshold": {"value": 0}},
            "outlier_detection": {"consecutive_5xx": 5, "max_ejection_percent": 100, "enforcing_success_rate": 0},
            "circuit_breakers": {"thresholds": [many]},
        }
        config = {
            "admin": {"address": {"pipe": {"path": str(directory / "admin.sock")}}},
            "node": {"id": "bench", "cluster": "local", "locality": {"region": "r", "zone": ZONES[0]}},
            "cluster_manager": {"local_cluster_name": "local"},
            "static_resources": {
                "listeners": [
                    {
                        "name": "egress",
                        "address": {"socket_address": {"address": "127.0.0.1", "port_value": PORT}},
                        "filter_chains": [{"filters": filters}],
                    }
                ],
                "clusters": [backend, eds("local")],
            },
        }
        path = directory / "envoy.json"
        path.write_text(json.dumps(config))
        command = [self.binary, "--concurrency", 1, "--disable-hot-restart", "--log-level", "error", "-c", path]
        with running(pinned(PROXY_CORE, *command), PORT) as process:
            yield process


class Zonewalk:
    name = "zonewalk"
    port = PORT
    binary = None
    updates = "config.update_success"
    local = EVEN

    def change(self, directory, endpoints, idle=range(0)):
        next_one = directory / "next.json"
        next_one.write_text(self.config(endpoints, idle, *self.local.items()))
        next_one.rename(directory / "sidecar.json")

    @functools.cache
    def config(self, endpoints, idle, *local):
        found = [
            {"address": f"{address}:{port}", "zone": zone, "health": health}
            for zone, some in by_zone(endpoints, idle).items()
            for address, port, health in some
        ]
        return json.dumps(
            {
                "zone": ZONES[0],
                "region": "r",
                "admin": "admin.sock",
                "outbound": f"127.0.0.1:{PORT}",
                "local": dict(local),
                "runtime": {"upstream.healthy_panic_threshold": 0},
                "upstream": [{"name": "backend", "aliases": [f"127.0.0.1:{PORT}"], "endpoint": found}],
            }
        )

    @contextlib.contextmanager
    def start(self, directory, endpoints, local):
        self.local = local
        self.change(directory, ports(endpoints))
        with running(pinned(PROXY_CORE, self.binary, directory / "sidecar.json"), PORT) as process:
            yield process


def by_zone(endpoints, idle):
    """Endpoints, in turn in each zone: those that listen, and idle ones, which are unhealthy."""
    listening = [("127.0.0.1", port, "healthy") for port in endpoints]
    others = [(f"10.0.{number // 250}.{1 + number % 250}", 80, "unhealthy") for number in idle]
    return {zone: (listening + others)[number :: len(ZONES)] for number, zone in enumerate(ZONES)}


def load(directory, port, connections, seconds, body, rate=None):
    script = directory / "report.lua"
    script.write_text(REPORT)
    environment = dict(os.environ)
    if rate:
        environment["PAUSE_MS"] = str(1000 * connections / rate)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", script]
    command = pinned(LOAD_CORE, *command, f"http://127.0.0.1:{port}/{body}")
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def measure(directory, proxy, connections=32, endpoints=6, body="100B", local=EVEN, seconds=4, rate=None, changes=False):
    """One run: a new proxy, a time that does not count, in which it is connected to, then some seconds that do."""
    seconds = max(seconds, connections // 1000)
    with upstream(directory, endpoints), proxy.start(directory, endpoints, local) as process:
        load(directory, proxy.port, connections, max(1, connections // 1000), body, rate)
        stop, changer = threading.Event(), None
        if changes:
            some = [ports(endpoints - endpoints // 10), ports(endpoints)]
            # What the files say is made up now, and kept: to do so takes longer than what is measured.
            for each in some:
                proxy.change(directory, each)

            def change():
                number = 0
                while not stop.wait(1):
                    proxy.change(directory, some[number % 2])
                    number += 1

            changer = threading.Thread(target=change)
            changer.start()
        before = cpu_seconds(process.pid) if process else 0
        found = load(directory, proxy.port, connections, seconds, body, rate)
        after = cpu_seconds(process.pid) if process else 0
        stop.set()
        if changer:
            changer.join()
        return {
            "rps": found["requests"] / (found["us"] / 1e6),
            "cpu_us": (after - before) * 1e6 / found["requests"] if process else None,
            "mib": peak_mib(process.pid) if process else None,
            **{key: found[key] / 1000 for key in ("p50", "p99", "p999", "max")},
            "errors": found["errors"],
        }


def updates(directory, proxy):
    """How many changes of its endpoints a proxy has taken in."""
    command = ["curl", "-sf", "--unix-socket", directory / "admin.sock", "http://proxy/stats"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{proxy.updates}:"))


def stall(directory, proxy, idle, changes, seconds):
    """How long a change keeps requests waiting, which come one after another: the longest of each tenth of a second, ms, the median
    over the seconds, and of the ten tenths the worst. A second begins with a change, or with none. Six endpoints take all requests,
    so that no connection has to be made; the idle ones change."""
    request = f"GET /100B HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n\r\n".encode()
    some = [range(idle), range(idle - idle // 10)]
    longest = [[0.0] * 10 for _ in range(seconds)]
    with upstream(directory, 6), proxy.start(directory, 6, EVEN):
        for each in reversed(some):
            proxy.change(directory, ports(6), each)
        time.sleep(1)
        with socket.create_connection(("127.0.0.1", PORT)) as connection, connection.makefile("rb") as answers:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def ask():
                connection.sendall(request)
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    if not line:
                        raise RuntimeError(f"{proxy.name} has closed the connection")
                    if name.lower() == b"content-length":
                        length = int(value)
                answers.read(length)

            for _ in range(2_000):
                ask()
            before = updates(directory, proxy)
            for second, tenths in enumerate(longest):
                if changes:
                    proxy.change(directory, ports(6), some[1 - second % 2])
                began = sent = time.perf_counter()
                while (tenth := int((sent - began) * 10)) < len(tenths):
                    ask()
                    done = time.perf_counter()
                    tenths[tenth] = max(tenths[tenth], done - sent)
                    sent = done
        taken_in = updates(directory, proxy) - before
        if taken_in != (seconds if changes else 0):
            raise RuntimeError(f"{proxy.name} has taken in {taken_in} changes in {seconds} seconds")
    return max(statistics.median(tenth) for tenth in zip(*longest, strict=True)) * 1_000


def stream(directory, proxy):
    """The memory that one answer of 1 GB takes."""
    with upstream(directory, 6), proxy.start(directory, 6, EVEN) as process:
        before = peak_mib(process.pid)
        url = f"http://127.0.0.1:{proxy.port}/1GB"
        subprocess.run(pinned(LOAD_CORE, "curl", "-sf", "-o", "/dev/null", url), check=True)
        return {"before": before, "mib": peak_mib(process.pid)}


def median(runs):
    def of(key):
        values = [run[key] for run in runs if run[key] is not None]
        return statistics.median(values) if values else None

    return {key: of(key) for key in runs[0]}


def cell(value, form="{:,.0f}"):
    return "–" if value is None else form.format(value)


COLUMNS = {
    "requests/s": ("rps", "{:,.0f}"),
    "CPU µs a request": ("cpu_us", "{:.1f}"),
    "p50 ms": ("p50", "{:.2f}"),
    "p99 ms": ("p99", "{:.2f}"),
    "p99.9 ms": ("p999", "{:.2f}"),
    "max ms": ("max", "{:.2f}"),
    "MiB": ("mib", "{:.0f}"),
    "errors": ("errors", "{:.0f}"),
}


def table(first, rows):
    """Rows of a label and what was measured, and the ratio of the CPU to Envoy's of the same situation."""
    lines = [f"| {first} | {' | '.join(COLUMNS)} | CPU ÷ Envoy's |", "|---|" + "---:|" * (len(COLUMNS) + 1)]
    for label, found, envoy in rows:
        ratio = found["cpu_us"] / envoy["cpu_us"] if envoy and found["cpu_us"] else None
        cells = [cell(found[key], form) for key, form in COLUMNS.values()] + [cell(ratio, "{:.2f}")]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(path, base, growth):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "zonewalk", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    import matplotlib.pyplot as pyplot

    colors = {"zonewalk": "#1b7f79", "Envoy": "#b5651d", "nginx": "#7a7a7a", "HAProxy": "#4d6fae"}
    figure, axes = pyplot.subplots(1, 1 + len(growth), figsize=(3.1 * (1 + len(growth)), 3), layout="constrained")
    names = [name for name in colors if name in base]
    axes[0].bar(names, [base[name]["cpu_us"] for name in names], color=[colors[name] for name in names])
    axes[0].set_title("32 connections, 6 endpoints, 100 B")
    axes[0].set_ylabel("CPU µs a request")
    for axis, (title, points) in zip(axes[1:], growth.items(), strict=True):
        labels = list(dict.fromkeys(label for label, _ in points))
        for name in names:
            values = [points[(label, name)]["cpu_us"] for label in labels]
            axis.plot(labels, values, marker="o", color=colors[name], label=name)
        axis.set_title(title)
        axis.set_yscale("log")
    axes[-1].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sidecar", required=True)
    arguments.add_argument("--envoy", required=True)
    arguments.add_argument("--quick", action="store_true", help="once each, for a second, and nothing is written")
    options = arguments.parse_args()
    Zonewalk.binary, Envoy.binary = options.sidecar, options.envoy
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    runs, seconds = (1, 1) if options.quick else (3, 4)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="data-plane-"))
    # Run by root, nginx reads as somebody else.
    directory.chmod(0o755)
    proxies = [Zonewalk(), Envoy(), nginx := Nginx(), HaProxy()]
    began = time.monotonic()

    def rounds(which, times=runs, **situation):
        """In turn, so that what else the machine does falls on all alike."""
        found = {}
        for _ in range(times):
            for proxy in which:
                found.setdefault(proxy.name, []).append(measure(directory, proxy, seconds=seconds, **situation))
        told = {name: median(of) for name, of in found.items()}
        print(json.dumps({"situation": {k: str(v) for k, v in situation.items()}, "found": told}), flush=True)
        return told

    try:
        base = rounds([Direct(), *proxies])
        residual = rounds(proxies[:2], local=CROWDED)
        equal = rounds([Direct(), *proxies], rate=2000)
        many = [
            (f"{count:,} endpoints{', changing' if changes else ''}", rounds(proxies[:2], 1, endpoints=count, changes=changes, rate=2000))
            for count in (1_000, 10_000)
            for changes in (False, True)
        ]
        growth = {}
        for title, name, values in [
            ("connections", "connections", [32, 1_000, 5_000]),
            ("endpoints", "endpoints", [6, 1_000, 10_000]),
            ("body", "body", list(BODIES)),
        ]:
            points = {}
            for value in values:
                is_base = value in (32, 6, "100B")
                told = base if is_base else rounds(proxies, 1, **{name: value})
                points |= {(str(value), proxy.name): told[proxy.name] for proxy in proxies}
            growth[title] = points
        idle, times = 10_000, 3 if options.quick else 20
        stalled = {proxy.name: [stall(directory, proxy, idle, changes, times) for changes in (False, True)] for proxy in proxies[:2]}
        streamed = {proxy.name: stream(directory, proxy) for proxy in proxies}
    finally:
        shutil.rmtree(directory)
    took = time.monotonic() - began
    print(json.dumps({"stalled": stalled, "streamed": streamed}), flush=True)
    if options.quick:
        return

    def rows(told):
        return [(name, found, told.get("Envoy")) for name, found in told.items()]

    def grown(points):
        return [(f"{name}, {label}", found, points[(label, "Envoy")]) for (label, name), found in points.items()]

    def version(*command):
        output = subprocess.run(command, capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", output.stdout + output.stderr)[0]

    model = next(
        (line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine()
    )
    versions = [
        f"Envoy {version(options.envoy, '--version')}",
        f"nginx {version('nginx', '-v')}",
        f"HAProxy {version('haproxy', '-v')}",
    ]
    parts = [
        f"Measured on {datetime.date.today()} in {took / 60:.0f} minutes: {os.cpu_count()} cores of {model}, Linux {platform.release()};",
        f"{', '.join(versions)}.",
        "",
        "![CPU a request, and how it grows](pictures/performance.svg)",
        "",
        "### As fast as it goes",
        "",
        "32 connections, 6 endpoints, bodies of 100 B; zone-aware routing on where there is any, and all stays in its zone.",
        "",
        table("proxy", rows(base)),
        "",
        "Half of the requests leave the zone:",
        "",
        table("proxy", rows(residual)),
        "",
        "### The same load for each: about 2,000 requests/s",
        "",
        table("proxy", rows(equal)),
        "",
        "With many endpoints, each of which is connected to, and a port of the upstream's. Changing: a tenth goes or comes each second.",
        "",
        table("proxy", [(f"{name}, {situation}", found, told["Envoy"]) for situation, told in many for name, found in told.items()]),
        "",
        "### What a change keeps waiting",
        "",
        f"Six endpoints take all requests, one at a time, and {idle:,} others, which take none, are in the same file: so no request waits",
        "for a connection to be made. The longest answer of a tenth of a second; the median of 20 seconds, and of the tenths the worst:",
        "",
        "| proxy | nothing changes, ms | a tenth goes or comes each second, ms |",
        "|---|---:|---:|",
        *(f"| {name} | {before:.2f} | {after:.2f} |" for name, (before, after) in stalled.items()),
        "",
    ]
    for title, points in growth.items():
        parts += [f"### By {title}", "", table("proxy", grown(points)), ""]
    parts += ["### One answer of 1 GB", "", "| proxy | MiB before | MiB at most |", "|---|---:|---:|"]
    parts += [f"| {name} | {found['before']:.0f} | {found['mib']:.0f} |" for name, found in streamed.items()]
    page = DOCS / "performance.md"
    text = page.read_text()
    begin, end = "<!-- measured by benches/data-plane/run.sh -->\n", "<!-- end -->\n"
    head, _, rest = text.partition(begin)
    page.write_text(head + begin + "\n" + "\n".join(parts) + "\n\n" + end + rest.partition(end)[2])
    plot(DOCS / "pictures" / "performance.svg", base, growth)


main()
