import Signing
import Vocabulary

/// The bytes that a seat's answer is signed over. Clients in the field verify exactly these, so the form never changes.
package enum SeatAnswer {
    /// What Python prints for `json.dumps({...}, sort_keys=True)` of the three members. Times are whole seconds and end in `Z`.
    package static func message(expiresAt: Timestamp, license: LicenseID, session: String) -> [UInt8] {
        Array(
            PythonJSON.dumps([
                "expires_at": expiresAt.iso8601, "license_id": license.description, "session_id": session,
            ]).utf8)
    }
}
