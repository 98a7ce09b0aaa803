import Vocabulary

package enum ProjectProblems {
    package static let projectsFull = Problem(
        "project_quota_reached", status: 409, title: "The tier allows no further project.",
        hint: "Delete a project or choose a larger tier; see limit.")
    package static let bytesFull = Problem(
        "storage_quota_reached", status: 409, title: "The tier allows no further bytes.",
        hint: "Remove files or choose a larger tier; see limit_bytes and used_bytes.")
    package static let notActive = Problem(
        "project_not_active", status: 409, title: "The project takes no changes.",
        hint: "Reopen it if it is archived; restore it if it is deleted.")
    package static let wrongState = Problem(
        "project_state_conflict", status: 409, title: "The project is not in a state from which this leads on.", hint: "See state.")
    package static let readOnly = Problem(
        "project_read_only", status: 403, title: "The project is shared with you for reading.", hint: "Ask somebody who manages it.")
    package static let path = Problem(
        "file_path_refused", status: 422, title: "This is no usable path of a file.", hint: "See reason.")
    package static let content = Problem(
        "file_content_refused", status: 422, title: "The content is not what its type says.",
        hint: "See reason. Declare application/octet-stream for what has no type of its own.")
    package static let mismatch = Problem(
        "file_mismatch", status: 422, title: "The bytes are not those that were declared.",
        hint: "Size and SHA-256 are compared; send the same bytes, or declare the upload anew.")
    package static let declaration = Problem(
        "file_declaration_refused", status: 422, title: "The file cannot be declared like this.", hint: "See reason.")
    package static let incomplete = Problem(
        "upload_incomplete", status: 409, title: "Not all bytes have come.", hint: "See missing, and send those pieces.")
    package static let address = Problem(
        "file_address_refused", status: 403, title: "This address does not open anything, or does so no more.",
        hint: "Ask for a new one; addresses are for one method, one file and a short while.")
    package static let store = Problem(
        "file_store_unavailable", status: 503, title: "The files' store does not answer.", hint: "Try again shortly.")
    package static let range = Problem(
        "range_not_satisfiable", status: 416, title: "The file has no such bytes.", hint: "Ask for one range within size_bytes.")
    package static let closed = Problem(
        "tenant_leaves", status: 409, title: "The tenant is leaving; nothing is taken any more.", hint: "Take the leaving back first.")
    package static let tooManyUploads = Problem(
        "too_many_uploads", status: 409, title: "Too many uploads are under way.", hint: "Complete or abandon some of them.")
    package static let tooManyShares = Problem(
        "too_many_shares", status: 409, title: "A project is shared with at most 200 teams and members.", hint: "Share it with a team.")
    package static let all = [
        projectsFull, bytesFull, notActive, wrongState, readOnly, path, content, mismatch, declaration, incomplete, address, store, range,
        closed,
        tooManyUploads, tooManyShares,
    ]
}
