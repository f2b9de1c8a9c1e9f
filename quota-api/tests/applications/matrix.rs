//! Who may see and do what, route by route. To those who may not, an application does not exist.

use concord_quota_api::auth::Principal;
use http::StatusCode;
use reqwest::Method;

use super::{Scene, form};
use crate::support::people::person;

type Row = (&'static str, String, [u16; 5]);

/// nobody, stranger, applicant, reviewer, a guest whom nobody has let in.
fn rows(draft: &str, file: &str, name: &str) -> Vec<Row> {
    let mut rows = applications(draft, file, name);
    rows.extend(accounts());
    rows
}

fn applications(draft: &str, file: &str, name: &str) -> Vec<Row> {
    vec![
        ("GET", "/apply".to_owned(), [200, 200, 200, 200, 200]),
        ("GET", "/apply/calendar.ics".to_owned(), [401, 200, 200, 200, 403]),
        ("GET", "/awards".to_owned(), [200, 200, 200, 200, 200]),
        ("POST", "/apply/drafts".to_owned(), [401, 303, 303, 303, 403]),
        ("GET", draft.to_owned(), [401, 404, 200, 404, 403]),
        ("POST", draft.to_owned(), [401, 404, 200, 404, 403]),
        ("GET", file.to_owned(), [401, 404, 200, 404, 403]),
        ("POST", format!("{draft}/files"), [401, 400, 400, 400, 403]),
        ("POST", format!("{draft}/files/none/delete"), [401, 404, 303, 404, 403]),
        ("POST", "/apply/drafts/none/delete".to_owned(), [401, 303, 303, 303, 403]),
        ("GET", format!("/apply/{name}"), [401, 404, 200, 404, 403]),
        ("GET", format!("/apply/{name}/files/none"), [401, 404, 404, 404, 403]),
        ("POST", format!("/apply/{name}/appeal"), [401, 404, 422, 404, 403]),
        ("POST", "/apply/app-none/withdraw".to_owned(), [401, 404, 404, 404, 403]),
        ("GET", "/reviews".to_owned(), [401, 404, 404, 200, 403]),
        ("GET", format!("/reviews/{name}"), [401, 404, 404, 200, 403]),
        ("POST", format!("/reviews/{name}/review"), [401, 404, 404, 422, 403]),
        ("POST", format!("/reviews/{name}/decide"), [401, 404, 404, 422, 403]),
        ("GET", "/apply/app-none".to_owned(), [401, 404, 404, 404, 403]),
    ]
}

fn accounts() -> Vec<Row> {
    let rows = [
        ("GET", "/me", [401, 200, 200, 200, 200]),
        ("GET", "/me/kubeconfig", [401, 404, 404, 404, 403]),
        ("POST", "/me/sessions/none/end", [401, 404, 404, 404, 404]),
        ("GET", "/guest", [401, 404, 404, 404, 200]),
        ("POST", "/guest", [401, 422, 422, 422, 422]),
        ("GET", "/guests", [401, 403, 403, 200, 403]),
        ("POST", "/guests", [401, 422, 422, 422, 403]),
        ("GET", "/device", [401, 200, 200, 200, 403]),
        ("POST", "/device", [401, 422, 422, 422, 403]),
        ("GET", "/login", [200; 5]),
        ("GET", "/logged-out", [200; 5]),
        ("GET", "/callback/demo", [400; 5]),
        ("GET", "/language", [400; 5]),
        ("POST", "/backchannel-logout", [422; 5]),
        ("POST", "/device_authorization", [400; 5]),
        ("POST", "/token", [400; 5]),
        ("GET", "/jwks", [200; 5]),
        ("GET", "/.well-known/openid-configuration", [200; 5]),
        ("GET", "/healthz", [200; 5]),
        ("GET", "/readyz", [200; 5]),
        ("GET", "/metrics", [200; 5]),
        ("GET", "/api/v1/openapi.json", [200; 5]),
        ("GET", "/style.css", [200; 5]),
        ("GET", "/icon.svg", [200; 5]),
    ];
    rows.map(|(method, path, wanted)| (method, path.to_owned(), wanted)).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_for_everybody() {
    let scene = Scene::open().await;
    let draft = scene.begin().await;
    let name = scene.submit("delta", "1000").await;
    scene.until(&scene.rita, &format!("/reviews/{name}"), "Flood forecasts").await;
    scene.applicant.upload(&format!("{draft}/files"), "a.txt", b"plain").await;
    let page = scene.applicant.get(&draft).await.text;
    let at = page.find(&format!("{draft}/files/")).expect("the file is listed");
    let file = page[at..].split('"').next().unwrap().to_owned();

    let guest = Principal { provider: "guests".to_owned(), ..person("gus", &[]) };
    let guest = scene.real.visitor(&guest).await;
    let visitors = [&scene.nobody, &scene.stranger, &scene.applicant, &scene.rita, &guest];
    let mut surprises = Vec::new();
    for (method, path, wanted) in rows(&draft, &file, &name) {
        for (visitor, wanted) in visitors.into_iter().zip(wanted) {
            let got = match method {
                "GET" => visitor.get(&path).await,
                _ => visitor.post(&path, &[]).await,
            };
            if got.status.as_u16() != wanted {
                let place = visitors.iter().position(|other| std::ptr::eq(*other, visitor));
                surprises.push(format!("{method} {path} as {place:?}: {} and not {wanted}", got.status));
            }
        }
    }

    assert!(surprises.is_empty(), "{surprises:#?}");

    // A draft of somebody else is not thrown away, nor an application withdrawn, whatever is answered.
    scene.stranger.post(&format!("{draft}/delete"), &[]).await;
    assert_eq!(scene.applicant.get(&draft).await.status, StatusCode::OK);
    assert_eq!(
        scene.stranger.post(&format!("/apply/{name}/withdraw"), &[]).await.status,
        StatusCode::NOT_FOUND
    );

    // Another site's page cannot submit with our visitor's cookie.
    let forged = scene.applicant.request(Method::POST, &draft).header("sec-fetch-site", "cross-site");
    let forged = scene.applicant.send(forged.form(&form("forged", "10", "submit"))).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);

    // A form longer than any is refused, and so is a file that is too large or of a kind that is not taken.
    let long = "x".repeat(300_000);
    let huge = scene.applicant.post(&draft, &[("justification", long.as_str())]).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    for content in [vec![0_u8; 5 * 1024 * 1024 + 1], b"MZ\x90\x00".to_vec()] {
        let refused = scene.applicant.upload(&format!("{draft}/files"), "a.exe", &content).await;
        assert!(refused.status.is_client_error(), "{}", refused.status);
    }

    // Whoever leaves has left.
    for visitor in visitors {
        assert_eq!(visitor.post("/logout", &[]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(visitor.get("/me").await.status, StatusCode::UNAUTHORIZED);
    }
    scene.real.stop().await;
}
