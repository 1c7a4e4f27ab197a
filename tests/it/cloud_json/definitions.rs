//! What `RegisterTaskDefinition` refuses, and task definitions that are not the article's.

use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder as Register;
use aws_sdk_ecs::types::builders::ContainerDefinitionBuilder;
use aws_sdk_ecs::types::{
    Compatibility, ContainerCondition, ContainerDefinition, ContainerDependency, EfsAuthorizationConfig,
    EfsVolumeConfiguration, HostEntry, HostVolumeProperties, KeyValuePair, LogConfiguration, LogDriver, MountPoint,
    NetworkMode, PidMode, PortMapping, TransportProtocol, Ulimit, UlimitName, Volume, VolumeFrom,
};
use zonewalk::cloud::Pace;

use super::{LOG_GROUP, Stand, assert_refused, connect};

fn container(name: &str) -> ContainerDefinitionBuilder {
    ContainerDefinition::builder().name(name).image("app").memory(64)
}

fn mount(volume: &str) -> ContainerDefinitionBuilder {
    container("app").mount_points(MountPoint::builder().source_volume(volume).container_path("/data").build())
}

fn log(driver: LogDriver, options: &[&str]) -> ContainerDefinitionBuilder {
    let log =
        options.iter().fold(LogConfiguration::builder().log_driver(driver), |log, option| log.options(*option, "x"));
    container("app").log_configuration(log.build().unwrap())
}

fn mapped(mapping: aws_sdk_ecs::types::builders::PortMappingBuilder) -> ContainerDefinitionBuilder {
    container("app").port_mappings(mapping.build())
}

fn after(name: &str, other: &str) -> ContainerDefinitionBuilder {
    let dependency = ContainerDependency::builder().container_name(other).condition(ContainerCondition::Start);
    container(name).depends_on(dependency.build().unwrap())
}

type Case = (&'static str, Box<dyn Fn(Register) -> Register>);

fn case(words: &'static str, definition: impl Fn(Register) -> Register + 'static) -> Case {
    (words, Box::new(definition))
}

/// Of one container, on an instance.
fn of(words: &'static str, container: ContainerDefinitionBuilder) -> Case {
    case(words, move |register| register.container_definitions(container.clone().build()))
}

/// The same with this network mode.
fn within(mode: NetworkMode, words: &'static str, container: ContainerDefinitionBuilder) -> Case {
    case(words, move |register| register.network_mode(mode.clone()).container_definitions(container.clone().build()))
}

/// That would do for Fargate but for one thing.
fn fargate(words: &'static str, change: impl Fn(Register) -> Register + 'static) -> Case {
    case(words, move |register| {
        let register = register.requires_compatibilities(Compatibility::Fargate).network_mode(NetworkMode::Awsvpc);
        change(register.cpu("256").memory("512").container_definitions(container("app").build()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_task_definition_may_say_is_refused() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    let (a, b) = (|| container("a").build(), || container("b").build());
    let two = |register: Register| {
        register.container_definitions(container("a").build()).container_definitions(container("b").build())
    };
    let entry = HostEntry::builder().hostname("h").ip_address("10.0.0.1").build().unwrap();
    let soft = Ulimit::builder().name(UlimitName::Nofile).soft_limit(2).hard_limit(1).build().unwrap();
    let volume = |name: &str| Volume::builder().name(name).build();
    let efs = EfsVolumeConfiguration::builder().file_system_id("fs-1").root_directory("/below");
    let efs =
        efs.authorization_config(EfsAuthorizationConfig::builder().access_point_id("fsap-1").build()).build().unwrap();
    let efs = Volume::builder().name("efs").efs_volume_configuration(efs).build();
    let cases = [
        case("Container list cannot be empty", |register| register),
        of("Container.name should not be null", ContainerDefinition::builder().image("app").memory(64)),
        of("Invalid container name 'a b'", container("a b")),
        of("Container.image should not be null", ContainerDefinition::builder().name("app").memory(64)),
        of("At least one of 'memory' or", ContainerDefinition::builder().name("app").image("app")),
        of("'memory' must be at least 1", container("app").memory(0)),
        of("must not be less than 'memoryReservation'", container("app").memory_reservation(65)),
        of("'cpu' must be at least 0", container("app").cpu(-1)),
        of("does not have any essential containers", container("app").essential(false)),
        of("Unknown volume 'data'", mount("data")),
        of("Log driver awslogs requires options: awslogs-group, awslogs-region", log(LogDriver::Awslogs, &[])),
        of("Log driver awslogs requires options: awslogs-region", log(LogDriver::Awslogs, &["awslogs-group"])),
        of("Log driver 'pigeon'", log("pigeon".into(), &[])),
        of("Invalid 'containerPort'", mapped(PortMapping::builder().container_port(65_536))),
        of("Invalid 'containerPort'", mapped(PortMapping::builder().host_port(80))),
        of("Invalid 'hostPort'", mapped(PortMapping::builder().container_port(80).host_port(-1))),
        of("Invalid 'protocol'", mapped(PortMapping::builder().container_port(80).protocol("sctp".into()))),
        of("Invalid port mapping name '-web'", mapped(PortMapping::builder().container_port(80).name("-web"))),
        of("Invalid port mapping name 'Web'", mapped(PortMapping::builder().container_port(80).name("Web"))),
        of("Invalid 'volumesFrom'", container("app").volumes_from(VolumeFrom::builder().source_container("b").build())),
        of("The soft limit of the ulimit nofile", container("app").ulimits(soft)),
        of("Environment variable names", container("app").environment(KeyValuePair::builder().value("v").build())),
        of("unknown container 'b'", after("a", "b")),
        of("a cycle in what the containers depend on: a", after("a", "a")),
        case("a cycle in what the containers depend on: a, b", |register| {
            let register = register.container_definitions(after("a", "b").build());
            register.container_definitions(after("b", "a").build()).container_definitions(after("c", "a").build())
        }),
        case("Container name a is used more than once", move |register| {
            register.container_definitions(a()).container_definitions(a())
        }),
        case("at most 10 containers", |register| {
            (0..11).fold(register, |register, n| register.container_definitions(container(&format!("c{n}")).build()))
        }),
        of("Max allowed length is '65536' bytes", container("app").docker_labels("l", "x".repeat(65_536))),
        case("'cpu' setting for task. The containers' 512 CPU units", move |register| {
            let half = |name: &str| container(name).cpu(256).build();
            register.cpu("256").container_definitions(half("a")).container_definitions(half("b"))
        }),
        case("'memory' setting for task. The containers' 128 MiB", move |register| two(register.memory("127"))),
        of("", container("app").memory(64).cpu(0)),
        case("Invalid 'cpu' setting for task. ('127')", move |register| register.cpu("127").container_definitions(b())),
        case("Invalid 'cpu' setting for task. ('much')", move |register| {
            register.cpu("much").container_definitions(container("a").build())
        }),
        case("Invalid 'networkMode'", |register| {
            register.network_mode("nat".into()).container_definitions(container("a").build())
        }),
        case("Volume name data is used more than once", move |register| {
            register.volumes(volume("data")).volumes(volume("data")).container_definitions(mount("data").build())
        }),
        case("can have no rootDirectory beside an access point", move |register| {
            register.volumes(efs.clone()).container_definitions(container("a").build())
        }),
        within(NetworkMode::None, "networkMode=none", mapped(PortMapping::builder().container_port(80))),
        within(
            NetworkMode::Awsvpc,
            "networkMode=awsvpc, the host ports",
            mapped(PortMapping::builder().container_port(80).host_port(8080)),
        ),
        within(
            NetworkMode::Host,
            "networkMode=host, the host ports",
            mapped(PortMapping::builder().container_port(80).host_port(8080)),
        ),
        within(NetworkMode::Awsvpc, "'hostname' is not supported", container("app").hostname("h")),
        within(NetworkMode::Awsvpc, "'extraHosts' is not supported", container("app").extra_hosts(entry)),
        fargate("Fargate only supports network mode", |register| register.network_mode(NetworkMode::Bridge)),
        fargate("Fargate requires that 'cpu' be defined", |register| register.set_cpu(None)),
        fargate("Fargate requires that 'memory' be defined", |register| register.set_memory(None)),
        fargate("No Fargate configuration exists", |register| register.memory("4096")),
        fargate("No Fargate configuration exists", |register| register.cpu("300")),
        fargate("does not support pidMode 'host'", |register| register.pid_mode(PidMode::Host)),
        fargate("does not support 'privileged'", |register| {
            register.container_definitions(container("b").privileged(true).build())
        }),
        fargate("does not support log driver 'syslog'", |register| {
            register.container_definitions(
                container("b")
                    .log_configuration(LogConfiguration::builder().log_driver(LogDriver::Syslog).build().unwrap())
                    .build(),
            )
        }),
        fargate("execution role ARN to support log driver awslogs", |register| {
            let log = LogConfiguration::builder().log_driver(LogDriver::Awslogs);
            let log = log.options("awslogs-group", "g").options("awslogs-region", "us-east-1").build().unwrap();
            register.container_definitions(container("b").log_configuration(log).build())
        }),
        fargate("does not support 'host.sourcePath'", |register| {
            let host = HostVolumeProperties::builder().source_path("/data").build();
            register.volumes(Volume::builder().name("data").host(host).build())
        }),
        case("EXTERNAL does not support network mode", |register| {
            let register = register.requires_compatibilities(Compatibility::External).network_mode(NetworkMode::Awsvpc);
            register.container_definitions(container("a").build())
        }),
    ];
    for (words, definition) in cases {
        let answer = definition(stand.clients.ecs.register_task_definition().family("family")).send().await;
        if words.is_empty() {
            answer.unwrap();
        } else {
            assert_refused(answer, "ClientException", words);
        }
    }
    let fits = (fargate("", |register| register).1)(stand.clients.ecs.register_task_definition().family("fits"));
    let fits = fits.send().await.unwrap().task_definition.unwrap();
    assert_eq!(fits.compatibilities(), [Compatibility::Ec2, Compatibility::Fargate]);
    let host = mapped(PortMapping::builder().container_port(80).protocol(TransportProtocol::Udp));
    let host = (within(NetworkMode::Host, "", host).1)(stand.clients.ecs.register_task_definition().family("host"));
    let host = host.send().await.unwrap().task_definition.unwrap();
    assert_eq!(host.container_definitions()[0].port_mappings()[0].host_port(), Some(80));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arn_without_a_revision_means_the_newest_active_one() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    let ecs = &stand.clients.ecs;
    for _ in 0..3 {
        let register = ecs.register_task_definition().family("family").container_definitions(container("app").build());
        register.send().await.unwrap();
    }
    ecs.deregister_task_definition().task_definition("family:3").send().await.unwrap();
    let revision = async |arn: &str| {
        let answer = ecs.describe_task_definition().task_definition(arn).send().await?;
        Ok::<_, aws_sdk_ecs::Error>(answer.task_definition.unwrap().revision())
    };
    let arn = "arn:aws:ecs:us-east-1:000000000000:task-definition/family";
    assert_eq!(revision(arn).await.unwrap(), 2);
    assert_eq!(revision(&format!("{arn}:1")).await.unwrap(), 1);
    let elsewhere = revision(&arn.replace("us-east-1", "eu-west-1")).await;
    assert!(elsewhere.unwrap_err().to_string().contains("ClientException"));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_another_image_gets_stable_too() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    let port = |port: i32| PortMapping::builder().name("http").container_port(port).build();
    let nginx = container("nginx").port_mappings(port(80)).command("nginx").command("-g").command("daemon off;");
    let sidecar = container("minio").command("server").command("/data").essential(false);
    let register = stand.clients.ecs.register_task_definition().family("web").network_mode(NetworkMode::Awsvpc);
    let register = register.container_definitions(nginx.build()).container_definitions(sidecar.build());
    register.send().await.unwrap();
    let mut connect = connect("http", "web", LOG_GROUP);
    connect.log_configuration = None;
    stand.create_service("web", 1).service_connect_configuration(connect).send().await.unwrap();
    stand.until_steady("web").await;
    stand.end().await;
}
