//! A record behind an address: a server that is honest, one that fails at times, and one that sends without end.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::story::{Pool, evening, text_of, treaty_text};

/// What a server answers to a path and the number of its question.
type Answer = dyn Fn(&str, usize) -> Vec<u8> + Send + Sync;

/// A server that lives as long as the tests.
fn serve(answer: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer: Arc<Answer> = Arc::new(answer);
    let asked = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, number) = (answer.clone(), asked.fetch_add(1, Ordering::SeqCst));
            std::thread::spawn(move || reply(stream, &*answer, number));
        }
    });
    format!("http://{address}")
}

fn reply(mut stream: TcpStream, answer: &Answer, number: usize) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    for line in lines {
        if line.is_empty() {
            break;
        }
    }
    // Who asked may have had enough.
    let _ = stream.write_all(&answer(&path, number));
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn status(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The files of a folder.
fn file(folder: &Path, path: &str) -> Vec<u8> {
    fs::read(folder.join(path.trim_start_matches("/record/")))
        .map_or_else(|_| status("404 Not Found"), |body| ok(&body))
}

fn verify(pool: &Pool, address: &str, more: &[&str]) -> (String, i32) {
    let record = format!("{address}/record");
    let output = pool.concord(&[&["verify", &record, "--key", "pool.key"], more].concat());
    (text_of(&output), output.status.code().unwrap())
}

#[test]
fn a_record_behind_an_address_is_checked_like_a_folder() {
    let pool = Pool::with(&evening());
    let folder = pool.record();
    let address = serve(move |path, _| file(&folder, path));
    let (told, code) = verify(&pool, &address, &["--forget"]);
    assert_eq!((told, code), {
        let local = pool.concord(&["verify", "record", "--key", "pool.key", "--forget"]);
        (text_of(&local), 0)
    });
    fs::remove_file(pool.record().join("tile/entries/000.p/11")).unwrap();
    let (told, code) = verify(&pool, &address, &[]);
    assert!(told.contains("tile/entries/000.p/11 is missing"), "{told}");
    assert_eq!(code, 1);
}

#[test]
fn a_server_that_fails_at_times_is_asked_again_and_one_that_always_fails_is_no_finding() {
    let pool = Pool::with(&evening());
    let folder = pool.record();
    let address = serve(
        move |path, number| if number.is_multiple_of(2) { status("503 Later") } else { file(&folder, path) },
    );
    let (told, code) = verify(&pool, &address, &[]);
    assert_eq!(code, 0, "{told}");
    let (told, code) = verify(&pool, &serve(|_, _| status("500 No")), &[]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("the server answers 500"), "{told}");
}

#[test]
fn a_server_that_sends_without_end_is_left() {
    let pool = Pool::with(&evening());
    let folder = pool.record();
    let endless = move |path: &str, _| {
        if path.contains("/entries/") { ok(&vec![b'x'; 40 << 20]) } else { file(&folder, path) }
    };
    let (told, code) = verify(&pool, &serve(endless), &[]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("sends more than the 17825792 bytes"), "{told}");
}

/// A portal with these answers.
fn pages(treaty: serde_json::Value, gpu_hours: f64) -> String {
    serve(move |path, _| {
        let body = match path.split('?').next().unwrap() {
            "/api/v1/treaty" => serde_json::json!({"name": "two-states", "generation": 1, "spec": treaty}),
            "/api/v1/use" => serde_json::json!({"capacity_gpus": 24}),
            "/api/v1/use/promises" => serde_json::json!({
                "from": "2026-11-28T20:00:00Z", "until": "2026-11-29T20:00:00Z", "samples": 1440, "expected_samples": 1440,
                "members": [{"member": "south", "guaranteed_gpu_hours": gpu_hours, "borrowed_gpu_hours": 0.0}],
            }),
            "/api/v1/awards" => serde_json::json!({"awards": []}),
            _ => return status("404 Not Found"),
        };
        ok(body.to_string().as_bytes())
    })
}

#[test]
fn pages_are_held_against_the_record() {
    let pool = Pool::with(&evening());
    let spec: serde_json::Value = serde_json::from_slice(&treaty_text()).unwrap();
    let check = |pages: &str| {
        let output = pool.concord(&["verify", "record", "--key", "pool.key", "--pages", pages]);
        (text_of(&output).split_whitespace().collect::<Vec<_>>().join(" "), output.status.code().unwrap())
    };
    let (told, code) = check(&pages(spec.clone(), 25.4));
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("the treaty on the pages is the one of the record: two-states, generation 1"),
        "{told}"
    );
    let (told, code) = check(&pages(spec.clone(), 20.0));
    assert_eq!(code, 1);
    assert!(
        told.contains("the pages show 20 GPU-hours of its own for south, and the record has 25"),
        "{told}"
    );
    let mut other = spec;
    other["title"] = "Three states".into();
    let (told, code) = check(&pages(other, 25.4));
    assert_eq!(code, 1);
    assert!(told.contains("the pages show another text of treaty two-states"), "{told}");
    assert_eq!(check(&serve(|_, _| status("404 Not Found"))).1, 2);
}
