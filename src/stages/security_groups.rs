//! Step 2: who may speak to whom. The load balancer's group admits the world on port 80, the client's the load
//! balancer, the server's the client. With network mode bridge both are the instances', and admit the ports that Docker
//! chooses from.

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType, UserIdGroupPair};

use super::error::missing_is_none;
use super::network::{Network, find_default_vpc};
use super::removal::{Details, Remaining, Removal};
use super::stage::{Found, Stage};
use super::{Context, Error};
use crate::aws::ec2_filter;
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, Planned, in_order};
use crate::settings::{Cidr, NetworkMode};

/// The three groups, with the rules between them.
pub(crate) struct SecurityGroups {
    pub(crate) lb: GroupId,
    pub(crate) client: GroupId,
    pub(crate) server: GroupId,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupId(pub(crate) Planned<String>);

pub(crate) struct SecurityGroup<'a> {
    pub(crate) network: &'a Network,
    pub(crate) name: &'a str,
    pub(crate) description: &'static str,
    /// What it means that nothing gets out of it.
    pub(crate) closed: Option<&'static str>,
}

/// Whether anything gets out of a group. To where is its owner's choice: AWS makes it with a rule that allows everything.
pub(crate) struct LetsOut(bool);

fn outbound_rules(lets_out: bool) -> &'static str {
    if lets_out { "some" } else { "none" }
}

impl Stage for SecurityGroup<'_> {
    const KIND: Kind = Kind::SecurityGroup;
    type Facts = LetsOut;
    type Output = GroupId;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<LetsOut>>, Error> {
        let request = ctx
            .clients
            .ec2
            .describe_security_groups()
            .filters(ec2_filter("group-name", [self.name]))
            .filters(ec2_filter("vpc-id", [&self.network.vpc_id]));
        let answer = ctx.look("ec2:DescribeSecurityGroups", request.send()).await?;
        let group = answer.security_groups().last();
        Ok(group.map(|group| {
            let lets_out = LetsOut(!group.ip_permissions_egress().is_empty());
            Found::new(group.group_id().unwrap_or_default(), group.owner(), lets_out)
        }))
    }

    fn output(&self, found: Option<Found<LetsOut>>) -> GroupId {
        GroupId(found.map(|found| found.id).into())
    }

    fn compare(&self, LetsOut(lets_out): &LetsOut) -> Vec<Option<Difference>> {
        vec![Difference::of(Field::OutboundRules, outbound_rules(*lets_out), outbound_rules(true))]
    }

    fn effect(&self, facts: Option<&LetsOut>) -> Option<&'static str> {
        facts.filter(|LetsOut(lets_out)| !lets_out).and(self.closed)
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .ec2
            .create_security_group()
            .group_name(self.name)
            .description(self.description)
            .vpc_id(&self.network.vpc_id)
            .tag_specifications(tags::ec2_on_creation(ResourceType::SecurityGroup, ctx.owner()));
        ctx.change("ec2:CreateSecurityGroup", request.send()).await
    }

    /// Gives it the rule back that AWS makes it with.
    async fn change(&self, ctx: &Context, found: &Found<LetsOut>) -> Result<(), Error> {
        let everywhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let everything = IpPermission::builder().ip_protocol("-1").ip_ranges(everywhere).build();
        let request = ctx.clients.ec2.authorize_security_group_egress().group_id(&found.id).ip_permissions(everything);
        ctx.change("ec2:AuthorizeSecurityGroupEgress", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<LetsOut>) -> Result<(), Error> {
        let request = ctx.clients.ec2.create_tags().resources(&found.id).tags(tags::ec2(ctx.owner()));
        ctx.change("ec2:CreateTags", request.send()).await
    }
}

/// The ports of a rule, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports(u16, u16);

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self(port, port)
    }
}

/// What Docker may choose host ports from: Linux's range, which ends at 60999, and Docker's own (ECS API Reference, "PortMapping",
/// `hostPort`).
const HOST_PORTS: Ports = Ports(32_768, 65_535);

impl Ports {
    /// The ports at which tasks are reached that listen on a port of their container.
    pub(crate) fn of_tasks(mode: NetworkMode, container_port: u16) -> Self {
        match mode {
            NetworkMode::Awsvpc => container_port.into(),
            NetworkMode::Bridge => HOST_PORTS,
        }
    }
}

impl std::fmt::Display for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self(from, to) if from == to => from.fmt(f),
            Self(from, to) => write!(f, "{from}-{to}"),
        }
    }
}

/// The one rule of a group. Other sources of just its ports are closed: a narrower `--allow-cidr` must not leave the wider one
/// in force. Rules of other ports or protocols are somebody's own.
pub(crate) struct IngressRule<'a> {
    /// From whom to whom: `lb → client`. IDs would say that to nobody.
    pub(crate) way: String,
    pub(crate) group: &'a GroupId,
    pub(crate) ports: Ports,
    /// Who is admitted; never empty.
    pub(crate) sources: Vec<Source>,
    /// What it means that they are not.
    pub(crate) closed: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Cidr(String),
    CidrIpv6(String),
    Group(GroupId),
}

impl Source {
    /// The source that is whoever is in the group.
    pub(crate) fn members(group: &GroupId) -> Vec<Self> {
        vec![Self::Group(group.clone())]
    }

    pub(crate) fn range(cidr: &Cidr) -> Self {
        if cidr.is_ipv6() { Self::CidrIpv6(cidr.to_string()) } else { Self::Cidr(cidr.to_string()) }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cidr(cidr) | Self::CidrIpv6(cidr) => f.write_str(cidr),
            Self::Group(group) => group.0.fmt(f),
        }
    }
}

/// By default (VPC User Guide, "Amazon VPC quotas").
const RULES_OF_A_GROUP: usize = 60;

impl IngressRule<'_> {
    fn permission(&self, source: &Source) -> IpPermission {
        let Ports(from, to) = self.ports;
        let permission = IpPermission::builder().ip_protocol("tcp").from_port(from.into()).to_port(to.into());
        match source {
            Source::Cidr(cidr) => permission.ip_ranges(IpRange::builder().cidr_ip(cidr).build()),
            Source::CidrIpv6(cidr) => permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).build()),
            Source::Group(group) => {
                permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(group.0.made()).build())
            }
        }
        .build()
    }

    /// Admits the sources that are wanted and not admitted yet.
    async fn authorize(&self, ctx: &Context, admitted: &[Source]) -> Result<(), Error> {
        let missing = self.sources.iter().filter(|source| !admitted.contains(source));
        let permissions: Vec<_> = missing.map(|source| self.permission(source)).collect();
        if permissions.is_empty() {
            return Ok(());
        }
        let request = ctx.clients.ec2.authorize_security_group_ingress().group_id(self.group.0.made());
        let request = request.set_ip_permissions(Some(permissions));
        ctx.change("ec2:AuthorizeSecurityGroupIngress", request.send()).await
    }
}

impl Stage for IngressRule<'_> {
    const KIND: Kind = Kind::SecurityGroupRule;
    /// Everyone the group admits on this port.
    type Facts = Vec<Source>;
    type Output = ();

    fn name(&self) -> String {
        format!("{} tcp {}", self.way, self.ports)
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Vec<Source>>>, Error> {
        let Some(id) = self.group.0.known() else { return Ok(None) };
        let request = ctx.clients.ec2.describe_security_groups().group_ids(id);
        // A new group may be seen by its name, and by its ID only a moment later.
        let answer = optional(ctx.look("ec2:DescribeSecurityGroups", request.send()).await)?;
        let (from, to) = (Some(i32::from(self.ports.0)), Some(i32::from(self.ports.1)));
        let sources: Vec<Source> = answer
            .iter()
            .flat_map(|answer| answer.security_groups())
            .flat_map(|group| group.ip_permissions())
            .filter(|p| p.ip_protocol() == Some("tcp") && p.from_port() == from && p.to_port() == to)
            .flat_map(sources)
            .collect();
        // It is its group's, whose owner was looked at already.
        let owner = Some(ctx.owner().to_owned());
        Ok((!sources.is_empty()).then(|| Found::new(self.name(), owner, sources)))
    }

    fn output(&self, _found: Option<Found<Vec<Source>>>) {}

    fn compare(&self, admitted: &Vec<Source>) -> Vec<Option<Difference>> {
        vec![Difference::of(Field::Sources, in_order(admitted), in_order(&self.sources))]
    }

    /// In a group that exists: of one that is still to be made, nothing stands that could fail.
    fn effect(&self, admitted: Option<&Vec<Source>>) -> Option<&'static str> {
        self.group.0.known()?;
        let is_kept_out =
            |source: &Source| matches!(source, Source::Group(_)) && !admitted.is_some_and(|it| it.contains(source));
        (admitted.is_none() || self.sources.iter().any(is_kept_out)).then_some(self.closed)
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        self.authorize(ctx, &[]).await
    }

    async fn change(&self, ctx: &Context, found: &Found<Vec<Source>>) -> Result<(), Error> {
        // A full group takes what is new only after what is old has gone.
        let is_full = found.facts.len() + self.sources.len() > RULES_OF_A_GROUP;
        if !is_full {
            self.authorize(ctx, &found.facts).await?;
        }
        for source in found.facts.iter().filter(|source| !self.sources.contains(source)) {
            let request = ctx.clients.ec2.revoke_security_group_ingress().group_id(self.group.0.made());
            let request = request.ip_permissions(self.permission(source));
            ctx.change("ec2:RevokeSecurityGroupIngress", request.send()).await?;
        }
        if is_full {
            self.authorize(ctx, &found.facts).await?;
        }
        Ok(())
    }

    async fn adopt(&self, _ctx: &Context, _found: &Found<Vec<Source>>) -> Result<(), Error> {
        Ok(())
    }
}

fn sources(permission: &IpPermission) -> Vec<Source> {
    let ipv4 = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip()).map(|c| Source::Cidr(c.to_owned()));
    let ipv6 =
        permission.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6()).map(|c| Source::CidrIpv6(c.to_owned()));
    let groups = permission
        .user_id_group_pairs()
        .iter()
        .filter_map(|pair| pair.group_id())
        .map(|id| Source::Group(GroupId(Planned::Known(id.to_owned()))));
    ipv4.chain(ipv6).chain(groups).collect()
}

impl Removal for SecurityGroup<'_> {
    const KIND: Kind = Kind::SecurityGroup;

    /// A group that another one's rule names cannot go before it: server, client, load balancer.
    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let names = &ctx.names;
        let order = [&names.server_security_group, &names.client_security_group, &names.lb_security_group];
        let by_name = ec2_filter("group-name", order.map(String::as_str));
        let mut groups = vec![];
        for filter in [by_name, tags::ec2_filter(ctx.owner())] {
            let request = ctx.clients.ec2.describe_security_groups().filters(filter);
            groups.extend(
                ctx.look("ec2:DescribeSecurityGroups", request.send()).await?.security_groups.unwrap_or_default(),
            );
        }
        groups.sort_by_key(|group| {
            (order.iter().position(|name| Some(name.as_str()) == group.group_name()), group.group_id.clone())
        });
        groups.dedup_by_key(|group| group.group_id.clone());
        // Names are a VPC's own: in another one an equal name means nothing.
        if groups.iter().any(|group| group.owner().is_none()) {
            let vpc = missing_is_none(find_default_vpc(ctx).await)?;
            groups.retain(|group| group.owner().is_some() || group.vpc_id == vpc);
        }
        let remaining = |group: &aws_sdk_ec2::types::SecurityGroup| {
            let rules = group.ip_permissions().len();
            let details = Details { rules, ..Details::named(group.group_name().unwrap_or_default()) };
            Remaining::new(ctx, group.group_id().unwrap_or_default(), group.owner()).with(details)
        };
        Ok(groups.iter().map(remaining).collect())
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.ec2.delete_security_group().group_id(id);
        ctx.change("ec2:DeleteSecurityGroup", request.send()).await
    }
}
