//! What the help of each command shows as examples.

/// Under the list of commands.
pub(super) const OVERVIEW: &str = "\
The setup is that of AWS's article \"Announcing zone-aware routing in Amazon ECS
Service Connect\":
https://aws.amazon.com/blogs/containers/announcing-zone-aware-routing-in-amazon-ecs-service-connect/

Examples:
  zonewalk walkthrough --local     all of it on this machine, without AWS
  zonewalk up --local              then verify, failover, stats, status, down
  zonewalk up --region eu-west-1   on AWS: about 0.64 USD an hour until `down`

Exit codes:
  0 done, 1 a check failed, 2 wrong usage, 3 the cloud refused or failed,
  130 interrupted

`zonewalk COMMAND --help` lists the options of a command.";

/// Two of each command, by its path.
pub(super) fn of(path: &[&str]) -> &'static str {
    match path {
        [] => OVERVIEW,
        ["walkthrough"] => {
            "\
Examples:
  zonewalk walkthrough --local
  zonewalk walkthrough --local --proxy envoy --output json"
        }
        ["up" | "plan"] => {
            "\
Examples:
  zonewalk up --local
  zonewalk up --region eu-west-1 --dry-run"
        }
        ["status"] => {
            "\
Examples:
  zonewalk status --local
  zonewalk status --region eu-west-1 --output json"
        }
        ["verify"] => {
            "\
Examples:
  zonewalk verify --local
  zonewalk verify --local --watch
  zonewalk verify --region eu-west-1 --requests 2000 --strict
  zonewalk verify --local --rate 200 --duration 10s --traffic 500GB/month
  zonewalk verify --url http://shop.example.com/ --zone-fields zone,upstreamZone"
        }
        ["failover"] => {
            "\
Examples:
  zonewalk failover --local
  zonewalk failover spillover --local
  zonewalk failover zone-loss --local --zone use1-az4
  zonewalk failover --region eu-west-1 --to 3 --requests 1000"
        }
        ["stats"] => {
            "\
Examples:
  zonewalk stats --local
  zonewalk stats --region eu-west-1 --requests 1000
  zonewalk stats --region eu-west-1 --cluster shop --service web"
        }
        ["down"] => {
            "\
Examples:
  zonewalk down --local
  zonewalk down --region eu-west-1 --name demo"
        }
        ["doctor"] => {
            "\
Examples:
  zonewalk doctor --region eu-west-1 --profile dev
  zonewalk doctor --region eu-west-1 --instance-type c7i-flex.large"
        }
        ["redeploy"] => {
            "\
Examples:
  zonewalk redeploy --local
  zonewalk redeploy --region eu-west-1 --cluster shop --service api --service web
  zonewalk redeploy --region eu-west-1 --all-stale --dry-run"
        }
        ["audit"] => {
            "\
Examples:
  zonewalk audit --region eu-west-1
  zonewalk audit --cluster shop --service api --since 24h
  zonewalk audit --cluster shop --min-same-zone 80 --output json"
        }
        ["runs"] => {
            "\
Examples:
  zonewalk runs
  zonewalk runs failover --output json"
        }
        ["report"] => {
            "\
A run may be named by the beginning of its ID, or `last`.

Examples:
  zonewalk report
  zonewalk report last --html report.html
  zonewalk report 20261126T0903 20261126T0915 --html both.html
  zonewalk report last --output markdown >> \"$GITHUB_STEP_SUMMARY\""
        }
        ["explain"] => {
            "\
Examples:
  zonewalk explain
  zonewalk explain lb_zone_routing_cross_zone
  zonewalk explain residual capacity"
        }
        ["policy"] => {
            "\
Examples:
  zonewalk policy > zonewalk-policy.json
  zonewalk policy --name demo
  zonewalk policy --for audit"
        }
        ["predict"] => {
            "\
Examples:
  zonewalk predict topologies.jsonl
  zonewalk predict --simulate 1000 < topologies.jsonl"
        }
        ["local", "status"] => {
            "\
Examples:
  zonewalk local status
  zonewalk local status --output json"
        }
        ["local", "env"] => {
            "\
Examples:
  eval \"$(zonewalk local env)\"
  zonewalk local env --shell fish | source"
        }
        ["local", "stop"] => {
            "\
Examples:
  zonewalk local stop
  zonewalk local stop --yes"
        }
        ["local", "logs"] => {
            "\
Examples:
  zonewalk local logs
  zonewalk local logs --follow"
        }
        ["local", "serve"] => {
            "\
Examples:
  zonewalk local serve
  zonewalk local serve --listen 0 --pace aws --faults faults.toml"
        }
        ["local", "sidecar"] => {
            "\
Examples:
  zonewalk local sidecar sidecar.toml
  zonewalk local sidecar sidecar.json --output jsonl   # a document, then a line for each change"
        }
        ["local", "faults"] => {
            "\
Examples:
  zonewalk local faults faults.toml
  zonewalk local faults --clear"
        }
        ["local", "mesh"] => {
            "\
Examples:
  zonewalk local mesh --cross-zone 5ms
  zonewalk local mesh --routing-enabled 0
  zonewalk local mesh --reset"
        }
        ["local", "age"] => {
            "\
Examples:
  zonewalk local age --service az-aware-backend-service-ec2 --days 200
  zonewalk local age --service web --cluster shop --days 200"
        }
        ["local", "operations"] => {
            "\
Examples:
  zonewalk local operations
  zonewalk local operations --output json"
        }
        ["schema"] => {
            "\
Examples:
  zonewalk schema > zonewalk.schema.json
  zonewalk schema verify"
        }
        ["completions"] => {
            "\
Examples:
  zonewalk completions bash > ~/.local/share/bash-completion/completions/zonewalk
  zonewalk completions zsh > ~/.zfunc/_zonewalk"
        }
        ["man"] => {
            "\
Examples:
  zonewalk man | man -l -
  zonewalk man --dir ~/.local/share/man/man1"
        }
        _ => "",
    }
}
