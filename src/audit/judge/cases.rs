//! The table of cases: a situation for each reason and each note.

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use strum::VariantArray;

    use super::super::{Judged, Question, has, judge, stale};
    use crate::audit::facts::{
        Deployment, Evidence, EvidenceSource, Facts, Host, HostImage, Launch, Offer, OtherName, Rebalancing, Service,
        ServiceId, Task, Traffic, Unit, Window,
    };
    use crate::audit::verdict::{Code, NoteCode, Pair, State};
    use crate::aws::AzId;
    use crate::stages::access_logs::AccessLogs;

    const NEW: &str = "2026-09-01T00:00:00Z";
    const OLD: &str = "2026-05-02T00:00:00Z";
    const AROUND: &str = "2026-07-01T12:00:00Z";
    const WEEK: f64 = 7.0 * 24.0;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn zone(index: usize) -> AzId {
        AzId::new(["use1-az1", "use1-az4", "use1-az6"][index])
    }

    /// A service with so many tasks in each of three zones that offers its own name.
    fn service(name: &str, tasks: [usize; 3], deployed: &str) -> Service {
        let task = |(zone_index, index): (usize, usize)| Task {
            id: format!("{name}-{zone_index}-{index}"),
            zone: zone(zone_index),
            address: None,
            deployed_at: Some(at(deployed)),
            is_healthy: true,
            host: None,
        };
        let places = tasks.iter().enumerate().flat_map(|(zone, count)| (0..*count).map(move |index| (zone, index)));
        let tasks: Vec<Task> = places.map(task).collect();
        let made_at = Some(at("2026-01-01T00:00:00Z"));
        Service {
            id: ServiceId::new("shop", name),
            namespace: "ns".to_owned(),
            namespace_name: "shop.local".to_owned(),
            offers: vec![Offer {
                discovery_name: name.to_owned(),
                alias: format!("{name}:80"),
                app_protocol: Some("http".to_owned()),
                made_at,
            }],
            launch: Launch::Fargate,
            strategy: "ROLLING".to_owned(),
            created_at: made_at,
            deployment: Some(Deployment {
                id: "ecs-svc/1".to_owned(),
                created_at: Some(at(deployed)),
                is_under_way: false,
            }),
            desired: u32::try_from(tasks.len()).unwrap(),
            minimum_healthy_percent: 100,
            tasks: Some(tasks),
            rebalancing: Some(Rebalancing::Enabled),
            task_usd_per_month: Some(18.0),
            access_logs: None,
            least_tasks: vec![],
        }
    }

    /// `web` calls `api`, with 900 GB a month.
    fn facts(web: Service, api: Service) -> Facts {
        let window = Window { from: at("2026-11-19T00:00:00Z"), to: at("2026-11-26T00:00:00Z") };
        let bytes = 900e9 * WEEK / 730.0;
        let traffic = Traffic { client: web.id.clone(), server: "api".to_owned(), bytes, requests: Some(1e6) };
        Facts { services: vec![web, api], others: vec![], window, traffic: Some(vec![traffic]), evidence: vec![] }
    }

    fn even() -> Facts {
        facts(service("web", [2, 2, 2], NEW), service("api", [3, 3, 3], NEW))
    }

    const QUESTION: Question<'_> =
        Question { services: &[], clusters: &[], usd_per_gb: 0.02, gb_per_month: None, most_idle: 100 };

    /// The pair of `web` and `api`, and all that is judged.
    fn judged(facts: &Facts) -> (Pair, Judged) {
        let judged = judge(facts, &QUESTION);
        let pair = judged.pairs.iter().find(|pair| pair.client.service == "web" && pair.server == "api").unwrap();
        (pair.clone(), judged)
    }

    fn with(change: impl FnOnce(&mut Service, &mut Service)) -> Facts {
        let mut facts = even();
        let (web, api) = facts.services.split_at_mut(1);
        change(&mut web[0], &mut api[0]);
        facts
    }

    fn on_hosts(service: &mut Service, hosts: impl Fn(usize) -> Host) {
        service.launch = Launch::Ec2;
        for (index, task) in service.tasks.iter_mut().flatten().enumerate() {
            task.host = Some(hosts(index));
        }
    }

    fn host(agent: &str, image: Option<&str>) -> Host {
        let image = image
            .map(|date| HostImage::Amazons(format!("al2023-ami-ecs-hvm-2023.0.{date}-kernel-6.1-x86_64")))
            .or(Some(HostImage::Custom));
        Host { instance: "i-1".to_owned(), agent: Some(agent.to_owned()), image }
    }

    fn measured(mut facts: Facts, same: u64, other: u64) -> Facts {
        let matrix = [((zone(0), zone(0)), same), ((zone(0), zone(1)), other)].into();
        let (source, unit) = (EvidenceSource::AccessLogs, Unit::Requests);
        let (client, server) = (ServiceId::new("shop", "web"), Some("api".to_owned()));
        facts.evidence.push(Evidence { client, server, source, unit, matrix });
        facts
    }

    fn other_account() -> Facts {
        let mut facts = even();
        facts.services.pop();
        facts.others.push(OtherName {
            namespace: "ns".to_owned(),
            discovery_name: "api".to_owned(),
            account: Some("444455556666".to_owned()),
            endpoints: None,
            made_at: None,
        });
        facts
    }

    /// What is expected: the state, the first reason, the share that stays.
    type Case = (Facts, State, Option<Code>, Option<f64>);

    fn cases() -> Vec<Case> {
        let third = Some(1.0 / 3.0);
        let of = |web: [usize; 3], api: [usize; 3]| facts(service("web", web, NEW), service("api", api, NEW));
        let deployed = |web: &str, api: &str| facts(service("web", [2, 2, 2], web), service("api", [3, 3, 3], api));
        let old_hosts = |count: usize| {
            with(|web, _| on_hosts(web, |i| host(if i < count { "1.98.0" } else { "1.102.1" }, Some("20260323"))))
        };
        vec![
            (even(), State::On, None, Some(1.0)),
            (of([0, 0, 0], [3, 3, 3]), State::NotRunning, Some(Code::NoTasks), None),
            (of([2, 2, 2], [0, 0, 0]), State::NotRunning, Some(Code::NoTasks), None),
            (of([2, 0, 0], [6, 0, 0]), State::OneZone, Some(Code::OneZone), Some(1.0)),
            (deployed(NEW, OLD), State::Off, Some(Code::ServerDeploymentOld), third),
            (deployed(OLD, NEW), State::Off, Some(Code::ClientDeploymentOld), third),
            (old_hosts(6), State::Off, Some(Code::HostTooOld), third),
            (old_hosts(3), State::Partly, Some(Code::HostTooOld), None),
            (of([2, 2, 2], [2, 1, 1]), State::Off, Some(Code::TooFewEndpoints), third),
            (of([2, 2, 2], [1, 0, 1]), State::Off, Some(Code::TooFewEndpoints), third),
            (of([2, 2, 2], [2, 0, 0]), State::Off, Some(Code::TooFewEndpoints), third),
            (
                with(|web, _| web.tasks.iter_mut().flatten().take(2).for_each(|task| task.deployed_at = Some(at(OLD)))),
                State::Partly,
                Some(Code::Mixed),
                Some(2.0 / 3.0 + 1.0 / 9.0),
            ),
            (
                with(|_, api| api.tasks.iter_mut().flatten().take(2).for_each(|task| task.deployed_at = Some(at(OLD)))),
                State::Partly,
                Some(Code::Mixed),
                None,
            ),
            (of([2, 2, 2], [4, 4, 0]), State::Partly, Some(Code::NoLocalEndpoint), Some(2.0 / 3.0)),
            (of([2, 2, 2], [4, 1, 1]), State::Partly, Some(Code::Uneven), Some(2.0 / 3.0)),
            (of([2, 2, 0], [2, 2, 0]), State::Unclear, Some(Code::Threshold), None),
            (deployed(AROUND, NEW), State::Unclear, Some(Code::LaunchDay), None),
            (with(|web, _| on_hosts(web, |_| host("1.102.1", None))), State::Unclear, Some(Code::CustomImage), None),
            (other_account(), State::Unclear, Some(Code::OtherAccount), None),
            (with(|_, api| api.tasks = None), State::Unclear, Some(Code::NotKnown), None),
            (measured(even(), 340, 660), State::Off, Some(Code::Measured), Some(0.34)),
            (measured(deployed(OLD, OLD), 990, 10), State::On, Some(Code::Measured), Some(0.99)),
            (measured(of([2, 2, 0], [2, 2, 0]), 990, 10), State::On, Some(Code::Measured), Some(0.99)),
            (measured(of([2, 2, 0], [2, 2, 0]), 500, 500), State::Off, Some(Code::Measured), Some(0.5)),
            (measured(even(), 30, 60), State::On, None, Some(1.0)),
        ]
    }

    #[test]
    fn each_situation_has_its_state_and_its_reason() {
        for (index, (facts, state, code, share)) in cases().into_iter().enumerate() {
            let (pair, _) = judged(&facts);
            let first = pair.reasons.first().map(|reason| reason.code);
            assert_eq!((pair.state, first), (state, code), "case {index}: {pair:#?}");
            if let Some(share) = share {
                let found = pair.same_zone.share.unwrap_or_else(|| panic!("case {index} has no share"));
                assert!((found - share).abs() < 2e-3, "case {index}: {found} and not {share}");
            } else if state == State::Unclear {
                assert_eq!((pair.same_zone.share, pair.usd_per_month), (None, None), "case {index}");
            }
        }
    }

    #[test]
    fn there_is_a_case_for_each_reason() {
        let told: Vec<Code> =
            cases().iter().flat_map(|(facts, ..)| judged(facts).0.reasons).map(|reason| reason.code).collect();
        let missing: Vec<_> = Code::VARIANTS.iter().filter(|code| !told.contains(code)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn each_note_has_its_situation() {
        let uneven = || facts(service("web", [2, 2, 2], NEW), service("api", [4, 1, 1], NEW));
        let with_uneven = |rebalancing| {
            let mut facts = uneven();
            facts.services[1].rebalancing = Some(rebalancing);
            facts
        };
        let cases = [
            (NoteCode::NoMargin, facts(service("web", [2, 2, 2], NEW), service("api", [2, 2, 2], NEW))),
            (NoteCode::BelowThreshold, with(|_, api| api.least_tasks = vec![3.0, 9.0, 9.0, 9.0])),
            (NoteCode::OffDuringDeployments, with(|_, api| api.minimum_healthy_percent = 50)),
            (NoteCode::NoAppProtocol, with(|_, api| api.offers[0].app_protocol = Some("tcp".to_owned()))),
            (NoteCode::NoRebalancing, with_uneven(Rebalancing::Disabled)),
            (NoteCode::NoRebalancing, with_uneven(Rebalancing::Impossible("DAEMON".to_owned()))),
            (NoteCode::HotZone, measured(even(), 1_000, 0)),
            (NoteCode::DeploymentUnderWay, with(|web, _| web.deployment.as_mut().unwrap().is_under_way = true)),
            (NoteCode::Confirmed, measured(even(), 1_000, 0)),
        ];
        let (plain, _) = judged(&even());
        assert_eq!(plain.notes, []);
        for code in NoteCode::VARIANTS {
            assert!(cases.iter().any(|(noted, _)| noted == code), "{code:?} has no case");
        }
        for (code, facts) in &cases {
            let (pair, _) = judged(facts);
            assert!(has(&pair, *code), "{code:?}: {pair:#?}");
        }
    }

    #[test]
    fn dollars_are_of_what_crosses() {
        let usd = judged(&even()).0.usd_per_month.unwrap();
        assert!((usd.crossing, usd.could_save) == (0.0, 0.0) && (usd.saved - 12.0).abs() < 1e-6, "{usd:?}");
        let facts = facts(service("web", [2, 2, 2], NEW), service("api", [3, 3, 3], OLD));
        let (pair, judged) = judged(&facts);
        let usd = pair.usd_per_month.unwrap();
        assert!((usd.crossing - 12.0).abs() < 1e-6 && usd.saved == 0.0, "{usd:?}");
        let advice = &judged.advice[0];
        assert_eq!(advice.command.as_deref(), Some("`zonewalk redeploy --cluster shop --service api`"));
        assert!((advice.saves_usd_per_month.unwrap() - 12.0).abs() < 1e-6, "{advice:?}");
    }

    #[test]
    fn more_tasks_are_told_with_what_they_cost() {
        let facts = facts(service("web", [2, 2, 2], NEW), service("api", [2, 1, 1], NEW));
        let advice = judged(&facts).1.advice;
        let command = "`aws ecs update-service --cluster shop --service api --desired-count 6`";
        assert_eq!((advice[0].command.as_deref(), advice[0].costs_usd_per_month), (Some(command), Some(36.0)));
    }

    #[test]
    fn a_measurement_is_advised_where_nothing_else_tells() {
        let ec2 = with(|web, _| on_hosts(web, |_| host("1.102.1", None)));
        let command = |facts: &Facts| judged(facts).1.advice[0].command.clone().unwrap_or_default();
        assert_eq!(command(&ec2), "`zonewalk audit --cluster shop --service web --measure proxies`");
        let mut on_fargate = with(|_, api| api.tasks = None);
        assert_eq!(judged(&on_fargate).1.advice, [], "Fargate shows no counters");
        on_fargate.services[0].access_logs = Some(AccessLogs { group: "/ecs/web".to_owned(), is_json: false });
        assert_eq!(command(&on_fargate), "`zonewalk audit --cluster shop --service web --measure logs`");
        // A caller's log does not tell where its connections went.
        on_fargate.services[1].offers[0].app_protocol = Some("tcp".to_owned());
        assert_eq!(judged(&on_fargate).1.advice, []);
        on_fargate.services[1].access_logs = Some(AccessLogs { group: "/ecs/api".to_owned(), is_json: true });
        assert_eq!(command(&on_fargate), "`zonewalk audit --cluster shop --service web --measure logs`");
    }

    /// Proxies of before zone-aware routing count no zones.
    #[test]
    fn counters_of_a_part_of_the_callers_decide_nothing() {
        let mixed =
            with(|web, _| web.tasks.iter_mut().flatten().take(2).for_each(|task| task.deployed_at = Some(at(OLD))));
        let mut facts = measured(mixed, 400, 0);
        facts.evidence[0].source = EvidenceSource::Proxies;
        let (pair, _) = judged(&facts);
        assert_eq!((pair.state, pair.same_zone.share), (State::Partly, pair.same_zone.predicted));
        assert!(pair.same_zone.measured.len() == 1 && !has(&pair, NoteCode::Confirmed), "{pair:#?}");

        // Access logs are of all callers.
        for [same, cross] in [[400, 200], [389, 211], [411, 189]] {
            let mut facts = measured(facts.clone(), same, cross);
            facts.evidence.remove(0);
            let (pair, _) = judged(&facts);
            assert_eq!((pair.state, has(&pair, NoteCode::Confirmed)), (State::Partly, true), "{pair:#?}");
        }
    }

    /// Blue and green are both there for a while; what is known of the service is of the one that has the traffic.
    #[test]
    fn a_revision_that_is_about_to_be_replaced_is_judged_as_it_is() {
        let facts = with(|_, api| {
            api.strategy = "BLUE_GREEN".to_owned();
            let id = "arn:aws:ecs:us-east-1:1:service-revision/shop/api/1".to_owned();
            api.deployment = Some(Deployment { id, created_at: Some(at(OLD)), is_under_way: true });
            api.tasks.iter_mut().flatten().for_each(|task| task.deployed_at = Some(at(OLD)));
        });
        let (pair, _) = judged(&facts);
        assert_eq!((pair.state, pair.reasons[0].code), (State::Off, Code::ServerDeploymentOld));
        assert!(has(&pair, NoteCode::DeploymentUnderWay), "{pair:#?}");
    }

    #[test]
    fn more_endpoints_are_advised_where_counters_say_that_these_are_too_few() {
        let two_zones = facts(service("web", [2, 2, 0], NEW), service("api", [2, 2, 0], NEW));
        let advice = judged(&measured(two_zones, 500, 500)).1.advice;
        let command = "`aws ecs update-service --cluster shop --service api --desired-count 6`";
        assert_eq!(advice[0].command.as_deref(), Some(command), "{advice:#?}");
    }

    #[test]
    fn named_traffic_is_spread_where_none_was_read() {
        let mut facts = even();
        facts.traffic = None;
        let judged = judge(&facts, &Question { gb_per_month: Some(500.0), ..QUESTION });
        assert_eq!(judged.pairs.len(), 2, "each may call the other");
        for pair in &judged.pairs {
            let traffic = pair.traffic.as_ref().unwrap();
            assert!(traffic.assumed && !pair.idle && traffic.bytes == 250e9, "{pair:?}");
        }
        assert_eq!(judge(&facts, &Question { most_idle: 1, ..QUESTION }).left_out, 1);
    }

    #[test]
    fn a_name_that_is_newer_than_the_clients_deployment_is_not_known_to_it() {
        let mut facts = with(|_, api| api.offers[0].made_at = Some(at("2026-10-01T00:00:00Z")));
        facts.traffic = None;
        let pairs = judge(&facts, &QUESTION).pairs;
        assert!(pairs.iter().all(|pair| pair.client.service != "web"), "{pairs:#?}");
    }

    #[test]
    fn called_services_are_deployed_before_their_callers() {
        let mut facts = facts(service("web", [2, 2, 2], OLD), service("api", [3, 3, 3], OLD));
        facts.services.push(service("db", [3, 3, 3], OLD));
        facts.services.push(service("fresh", [3, 3, 3], NEW));
        let traffic = |client: &str, server: &str| Traffic {
            client: ServiceId::new("shop", client),
            server: server.to_owned(),
            bytes: 1.0,
            requests: None,
        };
        facts.traffic = Some(vec![traffic("web", "api"), traffic("api", "db"), traffic("web", "fresh")]);
        let judged = judge(&facts, &QUESTION);
        let order: Vec<String> = stale(&facts, &judged).into_iter().map(|id| id.service).collect();
        assert_eq!(order, ["db", "api", "web"]);
        facts.traffic.as_mut().unwrap().push(traffic("db", "web"));
        let judged = judge(&facts, &QUESTION);
        assert_eq!(stale(&facts, &judged).len(), 3, "a circle has an order, too");
    }

    #[test]
    fn pairs_are_of_the_services_that_are_asked_for() {
        let facts = even();
        let count = |services: &[&str], clusters: &[&str]| {
            let [services, clusters] =
                [services, clusters].map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            let (services, clusters): (Vec<String>, Vec<String>) = (services, clusters);
            judge(&facts, &Question { services: &services, clusters: &clusters, ..QUESTION }).pairs.len()
        };
        assert_eq!([count(&[], &[]), count(&["web"], &[]), count(&["api"], &["shop"])], [2, 2, 2]);
        assert_eq!([count(&["other"], &[]), count(&[], &["other"])], [0, 0]);
    }
}
