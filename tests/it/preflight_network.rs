//! What a network lacks is told by `doctor` with what to type, `up` makes nothing of it, and what is typed mends it.

use std::time::Duration;

use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, InstanceType, RequestLaunchTemplateData};
use tokio_util::sync::CancellationToken;
use zonewalk::aws::{Clients, Target};
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::doctor;
use zonewalk::commands::outcome::Outcome;
use zonewalk::events::Events;
use zonewalk::plan::Action;
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::stages::finding::Check;
use zonewalk::walkthrough::{down, up};

use crate::preflight::problem;
use crate::support::{cloud_under, context, plan, settings, start_cloud};

struct Stand {
    cloud: LocalCloud,
    ctx: Context,
    vpc: String,
}

impl Stand {
    async fn new() -> Self {
        let cloud = start_cloud(Pace::Instant).await;
        let ctx = context(&cloud, settings()).await;
        let vpc = ctx.clients.ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
        Self { cloud, ctx, vpc }
    }

    fn clients(&self) -> &Clients {
        &self.ctx.clients
    }

    /// The only problem, which is the network's.
    async fn problem(&self) -> String {
        let (check, what) = problem(&self.ctx).await;
        assert_eq!(check, Check::Network, "{what}");
        what
    }

    async fn is_fine(&self) -> bool {
        doctor::run(&self.ctx).await.unwrap().holds()
    }

    /// Zones and IDs.
    async fn subnets(&self) -> Vec<(String, String)> {
        let subnets = self.clients().ec2.describe_subnets().send().await.unwrap().subnets.unwrap();
        subnets.iter().map(|s| (s.availability_zone().unwrap().to_owned(), s.subnet_id().unwrap().to_owned())).collect()
    }

    async fn delete_subnets_of(&self, zones: &[&str]) {
        for (zone, id) in self.subnets().await {
            if zones.iter().any(|letter| zone == format!("us-east-1{letter}")) {
                self.clients().ec2.delete_subnet().subnet_id(id).send().await.unwrap();
            }
        }
    }

    async fn set_public(&self, id: &str, public: bool) {
        let value = AttributeBooleanValue::builder().value(public).build();
        self.clients().ec2.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(value).send().await.unwrap();
    }

    /// A public subnet with these addresses.
    async fn add_subnet(&self, zone: &str, cidr: &str) -> String {
        let create = self.clients().ec2.create_subnet().vpc_id(&self.vpc).cidr_block(cidr).availability_zone(zone);
        let id = create.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
        self.set_public(&id, true).await;
        id
    }

    /// Somebody's instances, which take an address each.
    async fn crowd(&self, subnets: &[String], instances: i32) {
        let Clients { autoscaling, ec2, .. } = self.clients();
        let images = ec2.describe_images().owners("amazon").send().await.unwrap();
        let data = RequestLaunchTemplateData::builder().image_id(images.images()[0].image_id().unwrap());
        let data = data.instance_type(InstanceType::T3Micro).build();
        ec2.create_launch_template().launch_template_name("crowd").launch_template_data(data).send().await.unwrap();
        let template = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder();
        let template = template.launch_template_name("crowd").build();
        let create = autoscaling.create_auto_scaling_group().auto_scaling_group_name("crowd").launch_template(template);
        let create = create.min_size(instances).max_size(instances).vpc_zone_identifier(subnets.join(","));
        create.send().await.unwrap();
        let running = Filter::builder().name("instance-state-name").values("running").build();
        for _ in 0..1000 {
            let found = ec2.describe_instances().filters(running.clone()).send().await.unwrap();
            if found.reservations().len() == usize::try_from(instances).unwrap() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("they never run");
    }

    async fn gateway(&self) -> String {
        let gateways = self.clients().ec2.describe_internet_gateways().send().await.unwrap();
        gateways.internet_gateways()[0].internet_gateway_id().unwrap().to_owned()
    }

    async fn main_table(&self) -> String {
        let tables = self.clients().ec2.describe_route_tables().send().await.unwrap();
        tables.route_tables()[0].route_table_id().unwrap().to_owned()
    }

    /// The subnets that `up` would take.
    async fn chosen(&self) -> String {
        let findings = doctor::run(&self.ctx).await.unwrap().findings;
        findings.into_iter().find(|finding| finding.check == Check::Network).unwrap().what
    }

    async fn end(self) {
        self.cloud.shutdown().await;
    }
}

#[tokio::test]
async fn a_vpc_without_an_internet_gateway_is_told() {
    let stand = Stand::new().await;
    let (ec2, gateway, table) = (&stand.clients().ec2, stand.gateway().await, stand.main_table().await);
    ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&stand.vpc).send().await.unwrap();
    ec2.delete_internet_gateway().internet_gateway_id(&gateway).send().await.unwrap();
    let what = stand.problem().await;
    for words in [
        format!("{} has no internet gateway (subnet-", stand.vpc),
        "`aws ec2 create-internet-gateway --region us-east-1`".to_owned(),
        format!(
            "`aws ec2 attach-internet-gateway --region us-east-1 --vpc-id {} --internet-gateway-id igw-…`",
            stand.vpc
        ),
        format!(
            "`aws ec2 replace-route --region us-east-1 --route-table-id {table} --destination-cidr-block 0.0.0.0/0"
        ),
    ] {
        assert!(what.contains(&words), "{words}: {what}");
    }
    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap().internet_gateway_id;
    let gateway = gateway.unwrap();
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&stand.vpc).send().await.unwrap();
    let what = stand.problem().await;
    let command = format!("--route-table-id {table} --destination-cidr-block 0.0.0.0/0 --gateway-id {gateway}`");
    assert!(what.contains("not there any more") && what.contains(&command), "{what}");
    let replace = ec2.replace_route().route_table_id(table).destination_cidr_block("0.0.0.0/0").gateway_id(gateway);
    replace.send().await.unwrap();
    assert!(stand.is_fine().await);
    stand.end().await;
}

#[tokio::test]
async fn a_route_table_without_a_way_out_is_told_once_for_all_its_subnets() {
    let stand = Stand::new().await;
    let (ec2, gateway, table) = (&stand.clients().ec2, stand.gateway().await, stand.main_table().await);
    ec2.delete_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    let what = stand.problem().await;
    let command = format!(
        "`aws ec2 create-route --region us-east-1 --route-table-id {table} --destination-cidr-block 0.0.0.0/0 --gateway-id \
         {gateway}`"
    );
    assert!(
        what.contains(&format!("route table {table} has no route 0.0.0.0/0 to an internet gateway (subnet-")),
        "{what}"
    );
    assert_eq!(what.matches(&command).count(), 1, "{what}");

    // Subnets with a table of their own follow that.
    let own =
        ec2.create_route_table().vpc_id(&stand.vpc).send().await.unwrap().route_table.unwrap().route_table_id.unwrap();
    let out = ec2.create_route().route_table_id(&own).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway);
    out.send().await.unwrap();
    for (_, subnet) in
        stand.subnets().await.into_iter().filter(|(zone, _)| ["b", "d", "f"].iter().any(|l| zone.ends_with(l)))
    {
        ec2.associate_route_table().route_table_id(&own).subnet_id(subnet).send().await.unwrap();
    }
    let chosen = stand.chosen().await;
    assert!(["us-east-1b", "us-east-1d", "us-east-1f"].iter().all(|zone| chosen.contains(zone)), "{chosen}");
    up(&stand.ctx).await.unwrap();
    assert_eq!(down(&stand.ctx).await.unwrap().leftovers, []);
    stand.end().await;
}

#[tokio::test]
async fn who_may_not_look_at_routes_is_not_stopped() {
    let policy = zonewalk::stages::permissions::policy(&settings().name);
    let without = policy.replace("ec2:DescribeRouteTables", "ec2:DescribeHosts");
    let cloud = cloud_under(without).await;
    let ctx = context(&cloud, Settings { check_permissions: false, ..settings() }).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn subnets_with_too_few_free_addresses_are_told() {
    let stand = Stand::new().await;
    stand.delete_subnets_of(&["a", "b", "c", "d", "e", "f"]).await;
    let mut small = vec![];
    for (n, letter) in ["a", "b", "c"].iter().enumerate() {
        // 16 addresses, of which AWS keeps five.
        small.push(stand.add_subnet(&format!("us-east-1{letter}"), &format!("172.31.0.{}/28", n * 16)).await);
    }
    stand.crowd(&small, 18).await;
    let what = stand.problem().await;
    assert!(what.contains("5 free addresses, and 9 are needed") && what.contains("create-subnet"), "{what}");
    for id in &small {
        let command =
            format!("`aws ec2 describe-network-interfaces --region us-east-1 --filters Name=subnet-id,Values={id}`");
        assert!(what.contains(&command), "{what}");
    }
    for (n, letter) in ["a", "b", "c"].iter().enumerate() {
        stand.add_subnet(&format!("us-east-1{letter}"), &format!("172.31.{}.0/24", n + 1)).await;
    }
    assert!(stand.is_fine().await);
    stand.end().await;
}

#[tokio::test]
async fn of_several_subnets_in_a_zone_the_one_with_most_room_is_taken_and_kept() {
    let stand = Stand::new().await;
    stand.delete_subnets_of(&["a"]).await;
    for n in 0..6 {
        stand.add_subnet("us-east-1a", &format!("172.31.0.{}/28", n * 16)).await;
    }
    let roomy = stand.add_subnet("us-east-1a", "172.31.128.0/20").await;
    let chosen = stand.chosen().await;
    assert!(chosen.contains(&format!("{roomy} in use1-az4 (us-east-1a)")), "{chosen}");
    up(&stand.ctx).await.unwrap();
    // It has less room now than this one.
    stand.add_subnet("us-east-1a", "172.31.144.0/20").await;
    let plan = plan(&stand.ctx).await.unwrap();
    assert!(plan.iter().all(|change| change.action == Action::Kept), "{plan:#?}");
    assert_eq!(down(&stand.ctx).await.unwrap().leftovers, []);
    stand.end().await;
}

#[tokio::test]
async fn subnets_that_give_no_public_addresses_are_told_with_the_command_that_changes_it() {
    let stand = Stand::new().await;
    let subnets = stand.subnets().await;
    for (_, id) in &subnets {
        stand.set_public(id, false).await;
    }
    let what = stand.problem().await;
    assert!(!what.contains("create-default-subnet"), "there is one: {what}");
    for (zone, id) in
        subnets.iter().filter(|(zone, _)| ["a", "b", "c"].iter().any(|l| *zone == format!("us-east-1{l}")))
    {
        let command =
            format!("`aws ec2 modify-subnet-attribute --region us-east-1 --subnet-id {id} --map-public-ip-on-launch`");
        assert!(what.contains(&format!("no public address ({id} in {zone}): {command}")), "{what}");
        stand.set_public(id, true).await;
    }
    assert!(stand.is_fine().await);
    stand.end().await;
}

#[tokio::test]
async fn a_zone_without_a_subnet_gets_a_default_one_by_what_is_told() {
    let stand = Stand::new().await;
    stand.delete_subnets_of(&["a", "b", "d", "f"]).await;
    let what = stand.problem().await;
    for letter in ["a", "b"] {
        let command =
            format!("`aws ec2 create-default-subnet --region us-east-1 --availability-zone us-east-1{letter}`");
        assert!(what.contains(&command), "{what}");
        let create = stand.clients().ec2.create_default_subnet().availability_zone(format!("us-east-1{letter}"));
        create.send().await.unwrap();
    }
    assert!(stand.is_fine().await);
    stand.end().await;
}

#[tokio::test]
async fn a_region_with_two_zones_is_told_and_another_one_advised() {
    let cloud = start_cloud(Pace::Instant).await;
    let clients = Target::local(&cloud.endpoint_url(), "us-west-1").connect().await.unwrap();
    let ctx = Context::new(clients, settings(), Events::silent(), CancellationToken::new());
    let (check, what) = problem(&ctx).await;
    assert_eq!(check, Check::Network);
    assert_eq!(
        what,
        "us-west-1 has 2 Availability Zones for this account (usw1-az3 (us-west-1a), usw1-az1 (us-west-1c)), and 3 are \
         needed: choose another --region"
    );
    cloud.shutdown().await;
}
