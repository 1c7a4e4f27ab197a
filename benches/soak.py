"""A soak of the whole local mesh: `zonewalk up --local`, and then requests through its load balancer as fast as they go, while
every one or two seconds services are scaled, tasks are stopped, deployments forced, zones drained and the proxies' routing is
changed. All of that is graceful on AWS, so that no request may fail; and whatever comes also goes, so that the local cloud's
memory may not grow. Exits with 1 if either does not hold.

benches/soak.sh [SECONDS]; SOAK_SEED: another course of changes. Needs nothing but Python and the program in ZONEWALK_BIN.
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

NAME = "soak"
REGION = "us-east-1"
CONNECTIONS = 32
# The article's instances hold one task each.
TASKS = 12
# So many tasks stay when one is stopped by hand: without a healthy one, AWS has no answer either.
LEAST = 3

# Memory is judged by the medians of the first and the last third of what follows the warm-up, in which pools, the allocator's
# arenas and the histories that are bounded fill up. Medians do not see single peaks, and thirds that are apart see what grows
# steadily, as what each change or request leaves behind does. The allocator keeps what a busy moment took, once: steps of up to
# 6 % were seen where five times as many changes left no more, so that a tenth is let pass.
TOLERANCE = 0.1


def warm_up(seconds):
    return min(60.0, seconds / 4)


class Cloud:
    """The local cloud with the article's resources."""

    def __init__(self, home):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ZONEWALK_"))}
        self.environment = {**kept, "XDG_STATE_HOME": home}
        self.program = os.path.abspath(os.environ["ZONEWALK_BIN"])
        self.home = home
        self.endpoint = None
        self.process = None

    def start(self, *arguments, **options):
        command = [self.program, *arguments]
        return subprocess.Popen(command, cwd=self.home, env=self.environment, stdout=subprocess.PIPE, text=True, **options)

    def run(self, *arguments):
        with self.start(*arguments, "--output", "json", stderr=subprocess.PIPE) as process:
            answer, said = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"zonewalk {' '.join(arguments)}: {said}{answer}")
        return json.loads(answer)["result"]

    def up(self):
        self.run("up", "--local", "--name", NAME, "--region", REGION)
        status = self.run("local", "status")
        self.endpoint, self.process = urlsplit(status["endpoint_url"]).netloc, status["process"]
        self.url = self.run("status", "--local", "--name", NAME, "--region", REGION)["url"]
        [self.cluster] = self.ecs("ListClusters")["clusterArns"]
        self.services = [arn.rsplit("/", 1)[1] for arn in self.ecs("ListServices", cluster=self.cluster)["serviceArns"]]

    def down(self):
        self.run("down", "--local", "--name", NAME, "--region", REGION, "--yes")

    def stop(self):
        self.run("local", "stop", "--yes")

    def ecs(self, operation, **parameters):
        # The local cloud reads the region of a signature and checks none.
        credential = f"Credential=local/20260101/{REGION}/ecs/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}",
        }
        connection = http.client.HTTPConnection(self.endpoint, timeout=60)
        connection.request("POST", "/", json.dumps(parameters), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"ecs:{operation}: {body}")
        return body

    def service(self, name):
        [service] = self.ecs("DescribeServices", cluster=self.cluster, services=[name])["services"]
        return service

    def measure(self):
        """Resident bytes, threads and open file descriptors of the local cloud's process, and its seconds of CPU."""
        process = Path("/proc") / str(self.process)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        files = len(list((process / "fd").iterdir()))
        # The name in parentheses may have spaces.
        times = (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
        cpu = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
        return int(status["VmRSS"].split()[0]) * 1024, int(status["Threads"]), files, cpu


class Changes:
    """What is done to the services, each as an operator would: nothing that AWS would lose a request by."""

    def __init__(self, cloud, chance):
        self.cloud, self.chance = cloud, chance
        self.desired = {name: TASKS // 2 for name in cloud.services}
        self.drained = []
        self.made = Counter()
        # When each was made, and what it was; for the report of requests that fail.
        self.log = deque(maxlen=5)

    def make(self):
        """One of them."""
        kinds = [self.scale, self.scale, self.stop, self.stop, self.deploy, self.drain_zone, self.route]
        kind, what = self.chance.choice(kinds)()
        self.made[kind] += 1
        self.log.append((time.monotonic(), f"{kind} {what}"))

    def scale(self):
        name = self.chance.choice(self.cloud.services)
        others = sum(count for other, count in self.desired.items() if other != name)
        count = self.chance.choice([count for count in range(LEAST, TASKS - others + 1) if count != self.desired[name]] or [LEAST])
        kind = "scaled up" if count > self.desired[name] else "scaled down"
        self.cloud.ecs("UpdateService", cluster=self.cloud.cluster, service=name, desiredCount=count)
        self.desired[name] = count
        return kind, f"{name} to {count}"

    def stop(self):
        name = self.chance.choice(self.cloud.services)
        service = self.cloud.service(name)
        tasks = self.cloud.ecs("ListTasks", cluster=self.cloud.cluster, serviceName=name)["taskArns"]
        described = self.cloud.ecs("DescribeTasks", cluster=self.cloud.cluster, tasks=tasks)["tasks"] if tasks else []
        running = [task["taskArn"] for task in described if task["lastStatus"] == "RUNNING"]
        if len(running) < LEAST:
            return self.route()
        task = self.chance.choice(running)
        self.cloud.ecs("StopTask", cluster=self.cloud.cluster, task=task, reason="soak")
        return "task stopped", f"{task.rsplit('/', 1)[1]} of {name}, which has {service['runningCount']} running"

    def deploy(self):
        name = self.chance.choice(self.cloud.services)
        self.cloud.ecs("UpdateService", cluster=self.cloud.cluster, service=name, forceNewDeployment=True)
        return "deployment forced", name

    def drain_zone(self):
        """Drains all instances of a zone, or takes those that are drained into service again."""
        if self.drained:
            self.set_instances("ACTIVE")
            self.drained = []
            return "zone in service again", ""
        instances = self.cloud.ecs("ListContainerInstances", cluster=self.cloud.cluster)["containerInstanceArns"]
        described = self.cloud.ecs("DescribeContainerInstances", cluster=self.cloud.cluster, containerInstances=instances)
        zones = {}
        for instance in described["containerInstances"]:
            attributes = {attribute["name"]: attribute.get("value") for attribute in instance["attributes"]}
            zones.setdefault(attributes["ecs.availability-zone"], []).append(instance["containerInstanceArn"])
        zone = self.chance.choice(sorted(zones))
        self.drained = zones[zone]
        self.set_instances("DRAINING")
        return "zone drained", zone

    def set_instances(self, status):
        instances = self.drained
        self.cloud.ecs("UpdateContainerInstancesState", cluster=self.cloud.cluster, containerInstances=instances, status=status)

    def route(self):
        """Zone-aware routing for so many percent of the requests, from so many backends on."""
        percent, backends = self.chance.choice([0, 50, 100]), self.chance.choice([1, 6, 9])
        self.cloud.run("local", "mesh", "--routing-enabled", str(percent), "--min-cluster-size", str(backends))
        return "routing changed", f"to {percent} % from {backends} backends on"


class Traffic:
    """Requests as fast as they are answered, by the program's own driver, which counts each that fails and why."""

    def __init__(self, cloud, seconds, changes):
        self.changes = changes
        self.result = None
        # What the program says beside that, for when there is no result.
        self.said = tempfile.TemporaryFile("w+")
        asked = ["--url", cloud.url, "--duration", f"{seconds}s", "--concurrency", str(CONNECTIONS)]
        options = ["--no-record", "--output", "jsonl"]
        self.process = cloud.start("verify", "--local", "--region", REGION, *asked, *options, stderr=self.said)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        failed = 0
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "traffic" and event["errors"] > failed:
                now = time.monotonic()
                print(f"{event['errors'] - failed} requests failed within the last second, after:", file=sys.stderr)
                for at, what in list(self.changes.log):
                    print(f"  {now - at:.1f} s ago: {what}", file=sys.stderr)
                failed = event["errors"]
            elif event["event"] == "result":
                self.result = event["result"]

    def is_over(self):
        return self.process.poll() is not None

    def end(self):
        self.process.wait(timeout=60)
        self.reader.join(timeout=10)
        if self.result is None:
            self.said.seek(0)
            raise RuntimeError(f"there is no result of the traffic: {self.said.read()}")
        return self.result

    def break_off(self):
        if not self.is_over():
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)


def soak(cloud, seconds, chance):
    """Changes things while traffic goes; the traffic's result, the changes and a measurement a second with its time."""
    changes = Changes(cloud, chance)
    traffic = Traffic(cloud, seconds, changes)
    begin = time.monotonic()
    measured = []
    next_change = begin + 1
    try:
        while not traffic.is_over():
            now = time.monotonic()
            if now - begin < seconds:
                if now >= begin + len(measured):
                    measured.append((now - begin, *cloud.measure()))
                if now >= next_change:
                    changes.make()
                    next_change = now + chance.uniform(1, 2)
            time.sleep(0.05)
        return traffic.end(), changes, measured
    finally:
        traffic.break_off()


def mib(size):
    return f"{size / (1 << 20):.1f} MiB"


def report(seconds, seed, result, changes, measured):
    """Prints the table; what is wrong."""
    at = lambda moment: min(measured, key=lambda it: abs(it[0] - moment))
    row = lambda what, value: print(f"  {what:<28}{value:>16}")
    warm = warm_up(seconds)
    third = (seconds - warm) / 3
    resident = lambda since, until: int(median(it[1] for it in measured if since <= it[0] <= until))
    early, late = resident(warm, warm + third), resident(seconds - third, seconds)
    moments = [at(warm), at(seconds / 2), measured[-1]]

    print(f"{seconds} s, {CONNECTIONS} connections, seed {seed}")
    row("requests", f"{result['requests']:,}")
    row("requests/s", f"{result['requests_per_second']:,.0f}")
    row("failed requests", f"{result['errors']:,}")
    for kind, count in sorted(result["error_kinds"].items()):
        row(f"  {kind}", f"{count:,}")
    row("changes", f"{changes.made.total():,}")
    for kind, count in sorted(changes.made.items()):
        row(f"  {kind}", f"{count:,}")
    print(f"  the local cloud{'after ' + format(warm, '.0f') + ' s':>17}{'in the middle':>16}{'at the end':>16}")
    for what, column, shown in [("memory", 1, mib), ("threads", 2, str), ("file descriptors", 3, str)]:
        print(f"  {what:<16}" + "".join(f"{shown(moment[column]):>16}" for moment in moments))
    growth = (late - early) / early
    print(f"  memory, median of thirds      {mib(early)}, then {mib(late)}: {growth:+.1%}")
    tenths = [resident(seconds * tenth / 10, seconds * (tenth + 1) / 10) >> 20 for tenth in range(10)]
    print(f"  memory by tenths of the time  {' '.join(map(str, tenths))} MiB")

    wrong = []
    if result["errors"]:
        wrong.append(f"{result['errors']} of {result['requests']} requests were lost")
    if late > early * (1 + TOLERANCE):
        wrong.append(f"memory grows: from {mib(early)} to {mib(late)}")
    return wrong


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    seed = int(os.environ.get("SOAK_SEED", "1"))
    # The end of whoever asked for it cleans up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="zonewalk-soak-") as home:
        cloud = Cloud(home)
        try:
            cloud.up()
            result, changes, measured = soak(cloud, seconds, random.Random(seed))
            cloud.down()
        finally:
            cloud.stop()
    wrong = report(seconds, seed, result, changes, measured)
    print("FAIL  " + "; ".join(wrong) if wrong else "PASS  no request was lost, and memory does not grow")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
