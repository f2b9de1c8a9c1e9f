//! Who may see and do what, route by route. To those who may not, an application does not exist.

use http::StatusCode;
use reqwest::Method;

use super::{Scene, form};

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

    // nobody, stranger, applicant, reviewer
    let rows: [(&str, String, [u16; 4]); 13] = [
        ("GET", "/apply".to_owned(), [200, 200, 200, 200]),
        ("GET", "/awards".to_owned(), [200, 200, 200, 200]),
        ("GET", draft.clone(), [401, 404, 200, 404]),
        ("POST", draft.clone(), [401, 404, 200, 404]),
        ("GET", file, [401, 404, 200, 404]),
        ("POST", format!("{draft}/files/none/delete"), [401, 404, 303, 404]),
        ("GET", format!("/apply/{name}"), [401, 404, 200, 404]),
        ("POST", format!("/apply/{name}/appeal"), [401, 404, 422, 404]),
        ("GET", "/reviews".to_owned(), [401, 404, 404, 200]),
        ("GET", format!("/reviews/{name}"), [401, 404, 404, 200]),
        ("POST", format!("/reviews/{name}/review"), [401, 404, 404, 422]),
        ("POST", format!("/reviews/{name}/decide"), [401, 404, 404, 422]),
        ("GET", "/apply/app-none".to_owned(), [401, 404, 404, 404]),
    ];
    let visitors = [&scene.nobody, &scene.stranger, &scene.applicant, &scene.rita];
    for (method, path, wanted) in rows {
        for (visitor, wanted) in visitors.into_iter().zip(wanted) {
            let got = match method {
                "GET" => visitor.get(&path).await,
                _ => visitor.post(&path, &[]).await,
            };
            assert_eq!(got.status.as_u16(), wanted, "{method} {path}: {}", got.text);
        }
    }

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
    scene.real.stop().await;
}
