//! The filters that EC2 documents for its lists and that are not looked at here (API Reference, "Filters" of each operation): asked
//! for, they are refused by their names, and not as if EC2 had none like them.

pub(super) const AVAILABILITY_ZONES: &str = "\
    group-long-name";

pub(super) const IMAGES: &str = "\
    block-device-mapping.delete-on-termination block-device-mapping.device-name \
    block-device-mapping.encrypted block-device-mapping.snapshot-id block-device-mapping.volume-size \
    block-device-mapping.volume-type boot-mode creation-date ena-support free-tier-eligible hypervisor \
    image-allowed image-watermark.source-image-creation-time image-watermark.source-image-id \
    image-watermark.source-image-region image-watermark.watermark-creation-time image-watermark.watermark-key \
    instance-type-specification.supported-instance-type instance-type-specification.unsupported-instance-type \
    kernel-id manifest-location platform product-code product-code.type public-ssm-parameter-name ramdisk-id \
    root-device-name scan-result.critical-fix-available-since scan-result.finding-scan-date \
    scan-result.high-fix-available-since scan-result.highest-finding-severity-label \
    scan-result.informational-fix-available-since scan-result.low-fix-available-since \
    scan-result.medium-fix-available-since source-image-id source-image-region source-instance-id \
    sriov-net-support state-reason-code state-reason-message";

pub(super) const INSTANCES: &str = "\
    affinity architecture block-device-mapping.attach-time block-device-mapping.delete-on-termination \
    block-device-mapping.device-name block-device-mapping.status block-device-mapping.volume-id boot-mode \
    capacity-reservation-id capacity-reservation-specification.capacity-reservation-preference \
    capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id \
    capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn \
    client-token current-instance-boot-mode dns-name ebs-optimized ena-support enclave-options.enabled \
    hibernation-options.configured host-id hypervisor iam-instance-profile.id instance-lifecycle \
    instance.group-name ip-address ipv6-address kernel-id key-name launch-index launch-time \
    maintenance-options.auto-recovery metadata-options.http-endpoint metadata-options.http-protocol-ipv4 \
    metadata-options.http-protocol-ipv6 metadata-options.http-put-response-hop-limit \
    metadata-options.http-tokens metadata-options.instance-metadata-tags metadata-options.state \
    monitoring-state network-interface.addresses.association.allocation-id \
    network-interface.addresses.association.association-id network-interface.addresses.association.carrier-ip \
    network-interface.addresses.association.customer-owned-ip \
    network-interface.addresses.association.ip-owner-id \
    network-interface.addresses.association.public-dns-name network-interface.addresses.association.public-ip \
    network-interface.addresses.primary network-interface.addresses.private-dns-name \
    network-interface.addresses.private-ip-address network-interface.association.allocation-id \
    network-interface.association.association-id network-interface.association.carrier-ip \
    network-interface.association.customer-owned-ip network-interface.association.ip-owner-id \
    network-interface.association.public-dns-name network-interface.association.public-ip \
    network-interface.attachment.attach-time network-interface.attachment.attachment-id \
    network-interface.attachment.delete-on-termination network-interface.attachment.device-index \
    network-interface.attachment.instance-id network-interface.attachment.instance-owner-id \
    network-interface.attachment.network-card-index network-interface.attachment.status \
    network-interface.availability-zone network-interface.deny-all-igw-traffic network-interface.description \
    network-interface.group-id network-interface.group-name network-interface.ipv4-prefixes.ipv4-prefix \
    network-interface.ipv6-address network-interface.ipv6-addresses.ipv6-address \
    network-interface.ipv6-addresses.is-primary-ipv6 network-interface.ipv6-native \
    network-interface.ipv6-prefixes.ipv6-prefix network-interface.mac-address \
    network-interface.operator.managed network-interface.operator.principal network-interface.outpost-arn \
    network-interface.owner-id network-interface.private-dns-name network-interface.private-ip-address \
    network-interface.public-dns-name network-interface.requester-id network-interface.requester-managed \
    network-interface.source-dest-check network-interface.status network-interface.subnet-id \
    network-interface.tag-key network-interface.tag-value network-interface.vpc-id \
    network-performance-options.bandwidth-weighting operator.managed operator.principal outpost-arn \
    placement-group-name placement-partition-number platform platform-details private-dns-name \
    private-dns-name-options.enable-resource-name-dns-a-record \
    private-dns-name-options.enable-resource-name-dns-aaaa-record private-dns-name-options.hostname-type \
    product-code product-code.type ramdisk-id reason requester-id root-device-name root-device-type \
    source-dest-check spot-instance-request-id state-reason-code state-reason-message tenancy tpm-support \
    usage-operation usage-operation-update-time virtualization-type";

pub(super) const INSTANCE_STATUS: &str = "\
    application-status.status attached-ebs-status.status event.code event.description event.instance-event-id \
    event.not-after event.not-before event.not-before-deadline instance-status.reachability \
    system-status.reachability";

pub(super) const INSTANCE_TYPES: &str = "\
    auto-recovery-supported bare-metal dedicated-hosts-supported ebs-info.attachment-limit-type \
    ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps ebs-info.ebs-optimized-info.baseline-iops \
    ebs-info.ebs-optimized-info.baseline-throughput-in-mbps \
    ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps ebs-info.ebs-optimized-info.maximum-iops \
    ebs-info.ebs-optimized-info.maximum-throughput-in-mbps ebs-info.ebs-optimized-support \
    ebs-info.encryption-support ebs-info.maximum-ebs-attachments ebs-info.nvme-support \
    hibernation-supported hypervisor instance-storage-info.disk.count instance-storage-info.disk.size-in-gb \
    instance-storage-info.disk.type instance-storage-info.encryption-support \
    instance-storage-info.nvme-support instance-storage-info.total-size-in-gb instance-storage-supported \
    network-info.bandwidth-weightings network-info.efa-info.maximum-efa-interfaces network-info.efa-supported \
    network-info.ena-support network-info.encryption-in-transit-supported \
    network-info.flexible-ena-queues-support network-info.ipv4-addresses-per-interface \
    network-info.ipv6-addresses-per-interface network-info.ipv6-supported network-info.maximum-network-cards \
    network-info.network-performance nitro-enclaves-support nitro-tpm-info.supported-versions \
    nitro-tpm-support processor-info.supported-features processor-info.sustained-clock-speed-in-ghz \
    reboot-migration-support supported-boot-mode supported-root-device-type supported-usage-class \
    supported-virtualization-type vcpu-info.default-cores vcpu-info.default-threads-per-core \
    vcpu-info.valid-cores vcpu-info.valid-threads-per-core";

pub(super) const LAUNCH_TEMPLATE_VERSIONS: &str = "\
    ebs-optimized host-resource-group-arn http-endpoint http-protocol-ipv4 http-tokens iam-instance-profile \
    kernel-id license-configuration-arn network-card-index ram-disk-id";

pub(super) const NETWORK_INTERFACES: &str = "\
    addresses.association.owner-id addresses.association.public-ip addresses.primary \
    association.allocation-id association.association-id association.ip-owner-id association.public-dns-name \
    association.public-ip attachment.attach-time attachment.attachment-id attachment.delete-on-termination \
    attachment.device-index attachment.instance-owner-id attachment.status availability-zone-id \
    ipv6-addresses.ipv6-address operator.managed operator.principal private-dns-name requester-id \
    source-dest-check";

pub(super) const ROUTE_TABLES: &str = "\
    association.gateway-id association.route-table-id route.destination-cidr-block \
    route.destination-ipv6-cidr-block route.destination-prefix-list-id route.egress-only-internet-gateway-id \
    route.gateway-id route.instance-id route.nat-gateway-id route.origin route.state route.transit-gateway-id \
    route.vpc-peering-connection-id";

pub(super) const SECURITY_GROUPS: &str = "\
    egress.ip-permission.group-name egress.ip-permission.ipv6-cidr egress.ip-permission.prefix-list-id \
    egress.ip-permission.user-id ip-permission.group-name ip-permission.ipv6-cidr \
    ip-permission.prefix-list-id ip-permission.user-id";

pub(super) const SUBNETS: &str = "\
    available-ip-address-count customer-owned-ipv4-pool enable-dns64 enable-lni-at-device-index \
    ipv6-cidr-block-association.association-id ipv6-cidr-block-association.ipv6-cidr-block \
    ipv6-cidr-block-association.state ipv6-native map-customer-owned-ip-on-launch outpost-arn \
    private-dns-name-options-on-launch.enable-resource-name-dns-a-record \
    private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record \
    private-dns-name-options-on-launch.hostname-type subnet-arn";

pub(super) const VPCS: &str = "\
    cidr-block-association.association-id cidr-block-association.state \
    ipv6-cidr-block-association.association-id ipv6-cidr-block-association.ipv6-cidr-block \
    ipv6-cidr-block-association.ipv6-pool ipv6-cidr-block-association.state";
