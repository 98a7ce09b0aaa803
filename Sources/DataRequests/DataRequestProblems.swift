import Vocabulary

package enum DataRequestProblems {
    package static let alreadyOpen = Problem(
        "data_request_open", status: 409, title: "The same was asked for already and is not answered yet.",
        hint: "GET /api/v1/data-requests shows how far it is.")
    package static let over = Problem(
        "data_request_over", status: 409, title: "This request is answered already.", hint: "state says how; ask anew if need be.")
    package static let noDocument = Problem(
        "data_request_no_document", status: 409, title: "This request gives no document, or no longer.",
        hint: "Ask for access or export; the document can be taken for some days.")
    package static let byItself = Problem(
        "data_request_by_itself", status: 409, title: "The platform answers this request by itself.", hint: "act_at says when.")
    package static let begun = Problem(
        "data_request_begun", status: 409, title: "The data is being erased: that cannot be taken back.",
        hint: "What is withdrawn is withdrawn before act_at.")
    package static let all = [alreadyOpen, over, noDocument, byItself, begun]
}
