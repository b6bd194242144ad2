# shellcheck shell=bash
# Elasticsearch's configuration directory, with users from the Secret: /config becomes the real one.
cp -r /usr/share/elasticsearch/config/. /config/
cp /hopkeeper/elasticsearch.yml /hopkeeper/roles.yml /config/
mkdir -p /config/certs
cp /certs/* /config/certs/
export ES_PATH_CONF=/config ES_JAVA_OPTS="-Xms64m -Xmx64m"
: >/config/users
: >/config/users_roles
user() { /usr/share/elasticsearch/bin/elasticsearch-users useradd "$1" -p "$2" -r "$3"; }
user admin "$PASSWORD_ADMIN" superuser
user kibana "$PASSWORD_KIBANA" kibana_system
user filebeat "$PASSWORD_FILEBEAT" hopkeeper_shipper
user hopkeeper "$PASSWORD_HOPKEEPER" hopkeeper_operator
