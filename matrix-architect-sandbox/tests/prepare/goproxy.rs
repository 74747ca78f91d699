//! A module proxy for Go with one module of ours: files by name, over HTTP, as the protocol is
//! (`go help goproxy`).

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

/// Packs a module the way Go wants it: every path under `module@version/`.
const PACK: &str = "\
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as packed:
    packed.writestr('example.test/greet@v1.0.0/go.mod', 'module example.test/greet\\n\\ngo 1.19\\n')
    packed.writestr('example.test/greet@v1.0.0/greet.go',
                    'package greet\\n\\nfunc Greet() string { return \"hello\" }\\n')
";

/// Publishes the module and returns the port it is served on.
pub(crate) fn serve(root: &Path) -> u16 {
    let folder = root.join("example.test/greet/@v");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("list"), "v1.0.0\n").unwrap();
    let info = "{\"Version\":\"v1.0.0\",\"Time\":\"2024-01-01T00:00:00Z\"}";
    fs::write(folder.join("v1.0.0.info"), info).unwrap();
    fs::write(folder.join("v1.0.0.mod"), "module example.test/greet\n\ngo 1.19\n").unwrap();
    let packed = Command::new("python3").args(["-c", PACK]).arg(folder.join("v1.0.0.zip")).status();
    assert!(packed.unwrap().success());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let root = root.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            std::thread::spawn(move || answer(stream, &root));
        }
    });
    port
}

fn answer(mut stream: TcpStream, root: &Path) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let path: PathBuf = first.split(' ').nth(1)?.trim_start_matches('/').into();
    let (status, body) = match fs::read(root.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}
