//! EC2's security groups and their rules.

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule, SecurityGroupRuleDescription, UserIdGroupPair,
};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused, filter};

impl Stand {
    async fn rules(&self, group: &str) -> Vec<SecurityGroupRule> {
        let describe = self.clients.ec2.describe_security_group_rules().filters(filter("group-id", &[group]));
        describe.send().await.unwrap().security_group_rules.unwrap()
    }
}

fn tcp(port: i32) -> aws_sdk_ec2::types::builders::IpPermissionBuilder {
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port)
}

fn from_group(port: i32, group: &str) -> IpPermission {
    tcp(port).user_id_group_pairs(UserIdGroupPair::builder().group_id(group).build()).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_group_stays_while_another_ones_rule_names_it() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let (lb, client) = (stand.security_group("lb").await, stand.security_group("client").await);
    let again = ec2.create_security_group().group_name("lb").description("again").vpc_id(&stand.vpc).send().await;
    assert_refused(again, "InvalidGroup.Duplicate", &format!("'lb' already exists for VPC '{}'", stand.vpc));

    let authorize = || {
        let authorize = ec2.authorize_security_group_ingress().group_id(&client);
        authorize.ip_permissions(from_group(8080, &lb)).send()
    };
    assert_eq!(authorize().await.unwrap().security_group_rules().len(), 1);
    let words = format!("\"peer: {lb}, TCP, from port: 8080, to port: 8080, ALLOW\" already exists");
    assert_refused(authorize().await, "InvalidPermission.Duplicate", &words);

    let delete = || ec2.delete_security_group().group_id(&lb).send();
    assert_refused(delete().await, "DependencyViolation", &format!("resource {lb} has a dependent object"));
    let revoke = ec2.revoke_security_group_ingress().group_id(&client).ip_permissions(from_group(8080, &lb));
    revoke.send().await.unwrap();
    delete().await.unwrap();
    assert_refused(delete().await, "InvalidGroup.NotFound", &format!("The security group '{lb}' does not exist"));
    let revoke =
        ec2.revoke_security_group_ingress().group_id(&client).ip_permissions(tcp(1).ip_ranges(anywhere()).build());
    // In a default VPC that is no error.
    let revoked = revoke.send().await.unwrap();
    assert_eq!((revoked.r#return(), revoked.revoked_security_group_rules().len()), (Some(true), 0));
    let [unknown] = revoked.unknown_ip_permissions() else { panic!("{revoked:?}") };
    assert_eq!((unknown.from_port(), unknown.ip_ranges()[0].cidr_ip()), (Some(1), Some("0.0.0.0/0")));
    stand.end().await;
}

fn anywhere() -> IpRange {
    IpRange::builder().cidr_ip("0.0.0.0/0").build()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_the_same_in_both_spellings() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let group = stand.security_group("lb").await;
    let spelled_out = || {
        let authorize = ec2.authorize_security_group_ingress().group_id(&group).ip_protocol("tcp");
        authorize.from_port(80).to_port(80).cidr_ip("0.0.0.0/0").send()
    };
    let listed = || {
        let authorize = ec2.authorize_security_group_ingress().group_id(&group);
        authorize.ip_permissions(tcp(80).ip_ranges(anywhere()).build()).send()
    };
    spelled_out().await.unwrap();
    assert_refused(listed().await, "InvalidPermission.Duplicate", "peer: 0.0.0.0/0, TCP, from port: 80");
    assert_eq!(stand.rules(&group).await.len(), 2, "the new one, and the one that lets everything out");

    let ingress = stand.rules(&group).await.into_iter().find(|rule| rule.is_egress() == Some(false)).unwrap();
    let revoke = ec2.revoke_security_group_ingress().group_id(&group);
    revoke.security_group_rule_ids(ingress.security_group_rule_id().unwrap()).send().await.unwrap();
    listed().await.unwrap();
    let described = ec2.describe_security_groups().group_ids(&group).send().await.unwrap().security_groups.unwrap();
    assert_eq!(described[0].ip_permissions()[0].ip_ranges()[0].cidr_ip(), Some("0.0.0.0/0"));

    let malformed = ec2.authorize_security_group_ingress().group_id(&group).ip_protocol("tcp").from_port(1).to_port(1);
    let result = malformed.cidr_ip("everywhere").send().await;
    assert_refused(result, "InvalidParameterValue", "CIDR block everywhere is malformed");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_may_reach_is_allowed_and_forbidden() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let group = stand.security_group("app").await;
    let to_ten = || tcp(443).ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build();
    let authorize = || ec2.authorize_security_group_egress().group_id(&group).ip_permissions(to_ten()).send();
    let authorized = authorize().await.unwrap();
    let [rule] = authorized.security_group_rules() else { panic!("{authorized:?}") };
    assert_eq!((rule.is_egress(), rule.from_port(), rule.cidr_ipv4()), (Some(true), Some(443), Some("10.0.0.0/8")));
    assert_refused(
        authorize().await,
        "InvalidPermission.Duplicate",
        "peer: 10.0.0.0/8, TCP, from port: 443, to port: 443, ALLOW",
    );

    // A group of its own may reach everything.
    let everywhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
    let everything = || IpPermission::builder().ip_protocol("-1").ip_ranges(everywhere.clone()).build();
    let revoke = || ec2.revoke_security_group_egress().group_id(&group).ip_permissions(everything()).send();
    let revoked = revoke().await.unwrap();
    assert_eq!(revoked.revoked_security_group_rules()[0].cidr_ipv4(), Some("0.0.0.0/0"));
    assert_eq!(revoke().await.unwrap().unknown_ip_permissions()[0].ip_protocol(), Some("-1"));
    let left = stand.rules(&group).await;
    assert_eq!(
        left.iter().map(|left| left.security_group_rule_id()).collect::<Vec<_>>(),
        [rule.security_group_rule_id()]
    );
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_described_anew_by_what_it_allows_or_by_its_id() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let group = stand.security_group("described").await;
    let permission = |port: i32, description: &str| {
        let range = IpRange::builder().cidr_ip("10.0.0.0/8").description(description).build();
        IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port).ip_ranges(range).build()
    };
    let authorize = |description: &str| {
        ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(permission(80, description)).send()
    };
    assert_refused(authorize("naïve").await, "InvalidParameterValue", "Invalid rule description");
    authorize("first").await.unwrap();
    let ingress = || ec2.update_security_group_rule_descriptions_ingress().group_id(&group);
    let description = async || {
        let rule = stand.rules(&group).await.into_iter().find(|rule| rule.is_egress() == Some(false)).unwrap();
        (rule.security_group_rule_id.unwrap(), rule.description.unwrap_or_default())
    };
    ingress().ip_permissions(permission(80, "second")).send().await.unwrap();
    let (id, second) = description().await;
    assert_eq!(second, "second");
    let by_id =
        |text: &str| SecurityGroupRuleDescription::builder().security_group_rule_id(&id).description(text).build();
    ingress().security_group_rule_descriptions(by_id("third")).send().await.unwrap();
    assert_eq!(description().await.1, "third");
    ingress().security_group_rule_descriptions(by_id("")).send().await.unwrap();
    assert_eq!(description().await.1, "");

    assert_refused(ingress().send().await, "MissingParameter", "ipPermissions");
    let missing = ingress().ip_permissions(permission(81, "x")).send().await;
    assert_refused(missing, "InvalidPermission.NotFound", "does not exist in this security group");
    let egress = ec2.update_security_group_rule_descriptions_egress().group_id(&group);
    let other_way = egress.security_group_rule_descriptions(by_id("x")).send().await;
    assert_refused(other_way, "InvalidPermission.NotFound", "does not exist in this security group");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_kept_in_canonical_form_and_nonsense_is_refused() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("lb").await;
    let authorize = |permission| {
        stand.clients.ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(permission).send()
    };
    let from_ipv6 = |range: &str| tcp(80).ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).build()).build();
    let from_ipv4 = |range: &str| tcp(80).ip_ranges(IpRange::builder().cidr_ip(range).build()).build();
    for (written, kept) in [("::0/0", "::/0"), ("2001:DB8:0::1/32", "2001:db8::/32")] {
        let made = authorize(from_ipv6(written)).await.unwrap();
        assert_eq!(made.security_group_rules()[0].cidr_ipv6(), Some(kept));
        assert_refused(authorize(from_ipv6(kept)).await, "InvalidPermission.Duplicate", kept);
    }
    authorize(from_ipv4("192.0.2.77/24")).await.unwrap();
    assert_refused(authorize(from_ipv4("192.0.2.0/24")).await, "InvalidPermission.Duplicate", "192.0.2.0/24");
    for nonsense in ["everywhere", "::/129", "192.0.2.0/24", "2001:db8::"] {
        let refused = authorize(from_ipv6(nonsense)).await;
        assert_refused(refused, "InvalidParameterValue", &format!("CIDR block {nonsense} is malformed"));
    }
    let list = PrefixListId::builder().prefix_list_id("everyone").build();
    assert_refused(authorize(tcp(80).prefix_list_ids(list).build()).await, "InvalidPrefixListID.Malformed", "everyone");

    let twice = stand.clients.ec2.authorize_security_group_ingress().group_id(&group);
    let twice = twice.ip_permissions(from_ipv4("10.0.0.0/8")).ip_permissions(from_ipv4("10.1.2.3/8"));
    assert_refused(twice.send().await, "InvalidParameterValue", "The same permission must not appear multiple times");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_takes_sixty_rules_of_each_kind() {
    let stand = Stand::new(Pace::Instant).await;
    let group = stand.security_group("lb").await;
    let authorize = async |port: i32, range: &str| {
        let permission = tcp(port);
        let permission = if range.contains(':') {
            permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).build())
        } else {
            permission.ip_ranges(IpRange::builder().cidr_ip(range).build())
        };
        let authorize = stand.clients.ec2.authorize_security_group_ingress().group_id(&group);
        authorize.ip_permissions(permission.build()).send().await
    };
    for port in 1..=60 {
        authorize(port, "0.0.0.0/0").await.unwrap();
    }
    let limit = "RulesPerSecurityGroupLimitExceeded";
    assert_refused(authorize(61, "0.0.0.0/0").await, limit, "maximum number of rules");
    authorize(61, "::/0").await.unwrap();
    let quota = stand.clients.servicequotas.get_service_quota().service_code("vpc").quota_code("L-0EA8095F");
    assert_eq!(quota.send().await.unwrap().quota.unwrap().value, Some(60.0));
    stand.end().await;
}
