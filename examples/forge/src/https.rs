//! Apache with `git http-backend`.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    forge::as_nobody,
    process::{Daemon, give_away, random, run},
};

/// An Apache that asks for a password and speaks TLS by a certificate of an authority nobody knows.
#[derive(Debug)]
pub struct HttpsServer {
    daemon: Daemon,
    folder: TempDir,
    token: String,
}

/// A request, and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The request line.
    pub request: String,
    /// The status of the answer.
    pub status: String,
    /// The header of that name, `-` if there was none.
    pub authorization: String,
}

impl HttpsServer {
    pub(crate) fn start(repositories: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("forge-https-").tempdir().expect("a folder");
        let passable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), passable).expect("a folder of ours");
        let token = random();
        certify(folder.path());
        let users = format!("x-access-token:{0}\nann:{0}\n", hashed(&token));
        fs::write(folder.path().join("users"), users).expect("a folder of ours");
        odd_answers(folder.path());
        give_away(folder.path());
        let daemon = Daemon::start(|port| {
            let config = folder.path().join("httpd.conf");
            fs::write(&config, settings(folder.path(), repositories, port))
                .expect("a folder of ours");
            let apache = ["/usr/sbin/apache2", "-DFOREGROUND", "-f"];
            let words: Vec<&str> = as_nobody().iter().chain(&apache).copied().collect();
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).arg(config).stderr(Stdio::null());
            command
        });
        Self { daemon, folder, token }
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.daemon.port)
    }

    /// The URL of a repository, by its name.
    pub fn url(&self, repository: &str) -> String {
        format!("https://{}/git/{repository}", self.host())
    }

    /// A URL that is answered oddly, to whoever is let in:
    /// - `forever`: with references, on and on;
    /// - `drip`: with one byte at a time;
    /// - `moved/…`: by sending the client to where [`HttpsServer::send_to`] says.
    pub fn odd_url(&self, path: &str) -> String {
        format!("https://{}/odd/{path}", self.host())
    }

    /// The same, to whoever asks.
    pub fn open_url(&self, path: &str) -> String {
        format!("https://{}/open/{path}", self.host())
    }

    /// Where `moved` sends clients from now on: to this and the rest of the path they asked for.
    pub fn send_to(&self, place: &str) {
        fs::write(self.folder.path().join("odd/place"), place).expect("a folder of ours");
    }

    /// The password of `ann`, and of whoever comes with a token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The authority's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        let log = fs::read_to_string(self.folder.path().join("seen")).unwrap_or_default();
        let parsed = log.lines().filter_map(|line| {
            let mut parts = line.split('|').map(str::to_owned);
            let (request, status, authorization) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Seen { request, status, authorization })
        });
        parsed.collect()
    }
}

/// An authority, and a certificate by it for this machine.
fn certify(folder: &Path) {
    let openssl = |words: &str| {
        let words = words.split(' ').filter(|word| !word.is_empty());
        run(Command::new("openssl").args(words).current_dir(folder));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=forge \
         -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
    ));
    openssl(&format!("req {key} -keyout tls.key -out tls.csr -subj /CN=localhost"));
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
    fs::write(folder.join("names"), names).expect("a folder of ours");
    openssl(
        "x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names \
         -out tls.pem",
    );
}

fn hashed(token: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["passwd", "-apr1", "-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(token.as_bytes()).expect("openssl reads");
    drop(input);
    let output = child.wait_with_output().expect("openssl ends");
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

/// Programs that answer as no good server does.
fn odd_answers(folder: &Path) {
    let odd = folder.join("odd");
    fs::create_dir(&odd).expect("a folder of ours");
    let type_of = "printf 'Content-Type: application/x-git-upload-pack-advertisement\\r\\n\\r\\n'";
    let begin = "printf '001e# service=git-upload-pack\\n0000'";
    let answers = [
        (
            "moved",
            "read -r place < \"${0%/*}/place\" || true\n\
             printf 'Status: 302\\r\\nLocation: %s%s?%s\\r\\n\\r\\n' \
             \"$place\" \"$PATH_INFO\" \"$QUERY_STRING\""
                .to_owned(),
        ),
        (
            "forever",
            format!(
                "{type_of}; {begin}\nn=0\nwhile n=$((n+1)); do\n\
                 printf '0041%040d refs/heads/x%07d\\n' $n $n || exit\ndone"
            ),
        ),
        ("drip", format!("{type_of}; {begin}\nwhile sleep 0.2; do printf 0 || exit; done")),
    ];
    for (name, script) in answers {
        let file = odd.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a folder of ours");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a file of ours");
    }
}

fn settings(folder: &Path, repositories: &Path, port: u16) -> String {
    let modules = "mpm_event ssl cgid env alias auth_basic authn_core authn_file authz_core \
                   authz_user setenvif";
    let mut text = String::new();
    for module in modules.split(' ').filter(|name| !name.is_empty()) {
        let file = format!("/usr/lib/apache2/modules/mod_{module}.so");
        let _ = writeln!(text, "LoadModule {module}_module {file}");
    }
    let programs = run(Command::new("git").arg("--exec-path"));
    let (folder, repositories) = (folder.display(), repositories.display());
    let _ = write!(
        text,
        "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nMutex pthread\n\
         ServerName localhost\nListen 127.0.0.1:{port}\nScriptSock {folder}/cgi\n\
         ErrorLog {folder}/error\nLogFormat \"%r|%>s|%{{Authorization}}i\" seen\n\
         CustomLog {folder}/seen seen\nSSLEngine on\nSSLCertificateFile {folder}/tls.pem\n\
         SSLCertificateKeyFile {folder}/tls.key\nSSLSessionCache none\n\
         SetEnv GIT_PROJECT_ROOT {repositories}\nSetEnv GIT_HTTP_EXPORT_ALL 1\n\
         SetEnv GIT_CONFIG_NOSYSTEM 1\nSetEnvIf Git-Protocol \".*\" GIT_PROTOCOL=$0\n\
         ScriptAlias /git/ {programs}/git-http-backend/\nScriptAlias /odd/ {folder}/odd/\n\
         ScriptAlias /open/ {folder}/odd/\n\
         <Location />\nAuthType Basic\nAuthName git\nAuthUserFile {folder}/users\n\
         Require valid-user\n</Location>\n\
         <Location /open/>\nRequire all granted\n</Location>\n"
    );
    text
}
