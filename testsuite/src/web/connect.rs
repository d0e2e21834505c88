//! The page on which a person confirms a login of their device.

use super::visitor::Open;
use crate::house::ssh_logins::asking;

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_plan_is_told_before_a_code_is_typed() {
    let open = Open::new().await;
    let pending = asking(&open.town).await;
    let worker = open.browser(&open.town.worker).await;
    let path = format!("/connect/{}", pending.offer.id);
    let page = worker.get(&path).await.html();
    assert!(page.contains("SKS-4001") && !page.contains("shown_code"), "nothing is asked for that leads nowhere: {page}");
    open.town.approved().await;
    let page = worker.get(&path).await.html();
    assert!(page.contains("shown_code") && !page.contains("SKS-4001"), "the same request goes on: {page}");
}
