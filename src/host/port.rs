//! Ports a caller may name.

/// Reads a port as it stands in an authority: 1 to 65535 in decimal, without sign or leading zero.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
        return None;
    }
    text.parse().ok()
}

/// Whether a port is known for a service that must not be reached through the gateway, even on a trusted host: it
/// either takes an HTTP request for commands of its own or answers HTTP with power over a machine, a cluster or a
/// database. Any other port, those of model servers above all, is allowed.
pub(super) fn is_service_port(port: u16) -> bool {
    SERVICE_PORTS.binary_search(&port).is_ok()
}

/// Sorted. The [bad ports](https://fetch.spec.whatwg.org/#port-blocking) of the fetch standard, the examples on Portkey's
/// custom hosts page, and the assigned ports of common databases, caches, queues, file servers, remote shells,
/// proxies and orchestrators.
#[rustfmt::skip]
const SERVICE_PORTS: &[u16] = &[
    // Up to 1023: system services (fetch standard), and the rest of mail, files, printing, directories, containers.
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 67, 68, 69, 77, 79, 87, 88, 95, 101, 102, 103, 104,
    109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179, 194, 389, 427, 445, 464, 465, 500,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 543, 544, 548, 554, 556, 563, 587, 593, 601, 623, 631, 636, 639, 646,
    749, 860, 873, 902, 989, 990, 992, 993, 994, 995,
    // SOCKS, RMI, OpenVPN, Notes, SQL Server, Oracle, H.323, PPTP, RADIUS, MQTT, SSDP, RTMP, NFS
    1080, 1099, 1194, 1352, 1433, 1434, 1521, 1719, 1720, 1723, 1812, 1813, 1883, 1900, 1935, 2049,
    // ZooKeeper, SSH, Docker and Swarm, etcd, Oracle, ZooKeeper
    2181, 2222, 2375, 2376, 2377, 2379, 2380, 2483, 2484, 2888,
    // Squid, iSCSI, global catalogue, MySQL, RDP, STUN, distcc, apcupsd, Subversion, ZooKeeper
    3128, 3260, 3268, 3269, 3306, 3389, 3478, 3632, 3659, 3690, 3888,
    // lockd, sieve, NATS, epmd, Salt, Nomad, Cisco install, Radmin
    4045, 4190, 4222, 4369, 4505, 4506, 4646, 4647, 4648, 4786, 4899,
    // SIP, XMPP, mDNS, PostgreSQL, Kibana, NRPE, AMQP, VNC, TeamViewer, CouchDB, WinRM
    5060, 5061, 5222, 5269, 5353, 5432, 5433, 5601, 5666, 5671, 5672, 5800, 5900, 5901, 5938, 5984, 5985, 5986,
    // X11, Spark, NATS, Redis, PgBouncer, Kubernetes, SANE, IRC, Weave
    6000, 6066, 6222, 6379, 6380, 6432, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 6783, 6784,
    // Cassandra and WebLogic, Spark, Cassandra JMX, Neo4j, Swarm gossip
    7000, 7001, 7077, 7199, 7473, 7474, 7687, 7946,
    // AJP, HDFS, InfluxDB, YARN, ClickHouse, StatsD, Vault, NATS, Consul, ArangoDB, Consul DNS, MQTT, Solr
    8009, 8020, 8086, 8088, 8123, 8125, 8200, 8201, 8222, 8300, 8301, 8302, 8500, 8529, 8600, 8883, 8983,
    // Cassandra, Kafka, JetDirect, Cassandra Thrift, Elasticsearch, Git
    9042, 9092, 9093, 9094, 9100, 9142, 9160, 9200, 9300, 9418,
    // Amanda, kubelet and its neighbours, memcached, RabbitMQ, Redis cluster, MicroK8s
    10080, 10248, 10249, 10250, 10255, 10256, 10257, 10259, 11211, 15671, 15672, 16379, 16443,
    // RabbitMQ, CockroachDB, Redis Sentinel, MongoDB, RethinkDB, MySQL X, HDFS, ActiveMQ
    25672, 26257, 26379, 27017, 27018, 27019, 27020, 28015, 28017, 29015, 33060, 50010, 50020, 50070, 50075, 50090,
    61613, 61616,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_so_that_the_search_finds() {
        assert!(SERVICE_PORTS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn services_are_refused_and_model_servers_are_not() {
        let refused = [
            21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 587, 636, 873, 1433, 1521, 2049, 2181, 2375,
            2376, 2379, 2380, 3306, 3389, 4222, 5432, 5672, 5900, 6000, 6379, 6443, 6667, 8086, 8500, 9042, 9092, 9200,
            9300, 10250, 11211, 15672, 27017, 50070,
        ];
        let allowed = [
            80, 443, 1234, 3000, 4000, 5000, 5001, 7860, 8000, 8001, 8002, 8008, 8080, 8081, 8443, 8501, 8787, 8888,
            9000, 9001, 9090, 11434, 30000, 65535,
        ];
        for port in refused {
            assert!(is_service_port(port), "{port}");
        }
        for port in allowed {
            assert!(!is_service_port(port), "{port}");
        }
    }

    #[test]
    fn a_port_has_one_spelling() {
        assert_eq!(parse_port("65535"), Some(65535));
        for text in ["", "0", "080", "-1", "+80", "65536", "80 ", "８０", "0x50"] {
            assert_eq!(parse_port(text), None, "{text:?}");
        }
    }
}
