import Foundation
import LicenseClient
import Vocabulary

/// Sign-in by a browser elsewhere (RFC 8628): shows a code, then asks until somebody has answered.
struct DeviceLogin {
    let platform: Platform
    let tell: (String) -> Void
    /// Blocks for so many seconds.
    let wait: (Int64) -> Void

    /// The answer with the tokens. Throws `Failure` for everything else.
    func run() throws -> Answer {
        let begun = try platform.post("/api/v1/auth/device", [:])
        guard begun.isSuccess, let device = begun.json["device_code"]?.string, let code = begun.json["user_code"]?.string,
            let address = begun.json["verification_uri"]?.string
        else { throw begun.error(platform.name) }
        tell("Open \(address) in a browser, sign in, and enter this code: \(code)")
        var interval = min(max(begun.json["interval"]?.int ?? 5, 1), 600)
        var left = min(max(begun.json["expires_in"]?.int ?? 600, 1), 3_600)
        while left > 0 {
            wait(interval)
            left -= interval
            let answer: Answer
            do { answer = try platform.post("/api/v1/auth/device/token", ["device_code": .string(device)]) } catch is Platform.Unreachable {
                // RFC 8628, 3.5: after a time-out it asks less often.
                interval = min(interval * 2, 60)
                continue
            }
            switch answer.code {
            case _ where answer.isSuccess: return answer
            case "authorization_pending": continue
            case "slow_down": interval += 5
            case "rate_limited": interval = min(interval + (answer.retryAfter ?? 5), 60)
            case "access_denied":
                throw Failure(.refused, "access_denied", "the request was declined in the browser", next: "start over if it was a mistake")
            case "expired_token": left = 0
            default: throw answer.error(platform.name)
            }
        }
        throw Failure(.refused, "expired_token", "nobody answered in time", next: "run 'coditect login --device' again")
    }
}
