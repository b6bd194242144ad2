//! The script that makes the embedded Kafka's topic, with a `kafka-topics.sh` that remembers what it is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::chart;

/// Kafka's program for topics: `partitions` is the count of the one topic, which `--create` does not change where it is there.
/// It takes a name for a pattern where Kafka's own does.
const TOPICS: &str = r#"#!/bin/bash
cd "$(dirname "$0")"
echo "$*" >>said
[[ $* =~ --partitions\ ([0-9]+) ]] && wanted=${BASH_REMATCH[1]}
case $* in
  *--create*) [ -e partitions ] || echo "$wanted" >partitions ;;
  *--describe*) printf 'Topic: vpn.logs\tTopicId: Wq\tPartitionCount: %s\tReplicationFactor: 1\tConfigs: \n' "$(cat partitions)"
    printf '\tTopic: vpn.logs\tPartition: 0\tLeader: 1\n' ;;
  *--alter*) [ "$wanted" -gt "$(cat partitions)" ] || exit 1; echo "$wanted" >partitions ;;
esac
"#;

struct Kafka {
    directory: PathBuf,
    _kept: tempfile::TempDir,
}

impl Kafka {
    fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let directory = kept.path().to_owned();
        for (name, text) in [("kafka-topics.sh", TOPICS), ("kafka-acls.sh", "#!/bin/sh\n")] {
            fs::write(directory.join(name), text).unwrap();
            fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let script = fs::read_to_string(chart().join("files/embedded/kafka-setup.sh")).unwrap();
        let here = |path: &Path| path.display().to_string();
        let script = script.replace("/opt/kafka/bin", &here(&directory));
        let script = script.replace("/tmp/client.properties", &here(&directory.join("client.properties")));
        fs::write(directory.join("setup.sh"), script).unwrap();
        Self { directory, _kept: kept }
    }

    /// What the script prints when the values want so many partitions.
    fn set_up(&self, partitions: u32) -> String {
        let mut bash = Command::new("bash");
        bash.arg("-eu").arg(self.directory.join("setup.sh")).env("PARTITIONS", partitions.to_string());
        bash.envs([("BROKER", "k:9092"), ("TOPIC", "vpn.logs"), ("GROUP", "g"), ("KAFKA_ADMIN_PASSWORD", "x")]);
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap()
    }
}

#[test]
fn a_topic_that_is_there_gets_more_partitions_and_says_that_it_cannot_get_fewer() {
    let kafka = Kafka::new();
    for (wanted, has, says) in [
        (3, "3\n", "the topic and its rights are there"),
        (3, "3\n", "the topic and its rights are there"),
        (6, "6\n", "vpn.logs has 6 partitions now, after 3"),
        (4, "6\n", "vpn.logs keeps its 6 partitions: Kafka cannot take any away"),
    ] {
        let said = kafka.set_up(wanted);
        assert_eq!(kafka.file("partitions"), has, "{wanted} wanted: {said}");
        assert!(said.contains(says), "{wanted} wanted: {said}");
    }
    let commands = kafka.file("said");
    assert_eq!(commands.matches("--alter").count(), 1, "what is right is left alone: {commands}");
    assert!(commands.contains(r"--alter --topic vpn\.logs "), "no other topic is altered: {commands}");
}
