import CLicenseClient
import Foundation
import LicenseClient

// The functions of coditect.h. A handle is a retained object; whoever opened it gives it back.

@c @implementation
public func coditect_client_open(
    _ server: UnsafePointer<CChar>, _ application: UnsafePointer<CChar>, _ version: UnsafePointer<CChar>,
    _ options: UnsafePointer<coditect_options>?, _ error: UnsafeMutablePointer<coditect_error>?
) -> OpaquePointer? {
    do throws(LicenseClientError) {
        let client = try LicenseClient(
            server: String(cString: server), application: String(cString: application), version: String(cString: version),
            options: options.map { read($0.pointee) } ?? .init())
        return OpaquePointer(Unmanaged.passRetained(client).toOpaque())
    } catch let failure {
        tell(failure, error)
        return nil
    }
}

@c @implementation
public func coditect_client_close(_ client: OpaquePointer?) {
    guard let client else { return }
    Unmanaged<LicenseClient>.fromOpaque(UnsafeRawPointer(client)).release()
}

@c @implementation
public func coditect_seat_acquire(
    _ client: OpaquePointer, _ wait_seconds: Int64, _ error: UnsafeMutablePointer<coditect_error>?
) -> OpaquePointer? {
    do throws(LicenseClientError) {
        let seat = try object(client, LicenseClient.self).acquire(waiting: .seconds(min(max(wait_seconds, 0), 315_360_000)))
        return OpaquePointer(Unmanaged.passRetained(seat).toOpaque())
    } catch let failure {
        tell(failure, error)
        return nil
    }
}

@c @implementation
public func coditect_seat_state(_ seat: OpaquePointer) -> coditect_state {
    switch object(seat, Seat.self).state {
    case .held: CODITECT_HELD
    case .unsure: CODITECT_UNSURE
    case .offline: CODITECT_OFFLINE
    case .lost: CODITECT_LOST
    case .released: CODITECT_RELEASED
    }
}

@c @implementation
public func coditect_seat_error(_ seat: OpaquePointer, _ error: UnsafeMutablePointer<coditect_error>) -> Int32 {
    guard case .lost(let failure) = object(seat, Seat.self).state else { return 0 }
    tell(failure, error)
    return 1
}

@c @implementation
public func coditect_seat_release(_ seat: OpaquePointer?) {
    guard let seat else { return }
    let handle = Unmanaged<Seat>.fromOpaque(UnsafeRawPointer(seat))
    handle.takeUnretainedValue().release()
    handle.release()
}

@c @implementation
public func coditect_activate(
    _ client: OpaquePointer, _ key: UnsafePointer<CChar>, _ error: UnsafeMutablePointer<coditect_error>?
) -> Int32 {
    do throws(LicenseClientError) {
        try object(client, LicenseClient.self).activate(key: String(cString: key))
        return 0
    } catch let failure {
        tell(failure, error)
        return -1
    }
}

@c @implementation
public func coditect_deactivate(_ client: OpaquePointer, _ error: UnsafeMutablePointer<coditect_error>?) -> Int32 {
    do throws(LicenseClientError) {
        try object(client, LicenseClient.self).deactivate()
        return 0
    } catch let failure {
        tell(failure, error)
        return -1
    }
}

@c @implementation
public func coditect_offline_until(_ client: OpaquePointer, _ error: UnsafeMutablePointer<coditect_error>?) -> Int64 {
    do throws(LicenseClientError) {
        return Int64(try object(client, LicenseClient.self).offlineLicense().offlineUntil.timeIntervalSince1970)
    } catch let failure {
        tell(failure, error)
        return -1
    }
}

@c @implementation
public func coditect_borrow(
    _ client: OpaquePointer, _ hours: Int32, _ error: UnsafeMutablePointer<coditect_error>?
) -> Int64 {
    do throws(LicenseClientError) {
        return Int64(try object(client, LicenseClient.self).borrow(hours: Int(hours)).until.timeIntervalSince1970)
    } catch let failure {
        tell(failure, error)
        return -1
    }
}

@c @implementation
public func coditect_return_borrowed(_ client: OpaquePointer, _ error: UnsafeMutablePointer<coditect_error>?) -> Int32 {
    do throws(LicenseClientError) {
        try object(client, LicenseClient.self).returnBorrowed()
        return 0
    } catch let failure {
        tell(failure, error)
        return -1
    }
}

@c @implementation
public func coditect_borrowed_until(_ client: OpaquePointer, _ error: UnsafeMutablePointer<coditect_error>?) -> Int64 {
    do throws(LicenseClientError) {
        return Int64(try object(client, LicenseClient.self).borrowed()?.until.timeIntervalSince1970 ?? 0)
    } catch let failure {
        tell(failure, error)
        return -1
    }
}

// MARK: Between the languages

private func object<Handle: AnyObject>(_ pointer: OpaquePointer, _ type: Handle.Type) -> Handle {
    Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
}

private func read(_ given: coditect_options) -> LicenseClient.Options {
    var options = LicenseClient.Options()
    if let token = given.token.map({ String(cString: $0) }) { options.credentials = .token { token } }
    options.license = given.license.map { String(cString: $0) }
    options.device = given.device.map { String(cString: $0) }
    options.folder = given.folder.map { URL(fileURLWithPath: String(cString: $0)) }
    options.publicKeys = given.public_keys.map { Data(String(cString: $0).utf8) }
    options.releasesAtExit = given.keeps_at_exit == 0
    options.encryptsFile = given.encrypts_file != 0
    options.hardware = given.hardware.map { parts(String(cString: $0)) }
    if let log = given.log {
        // The caller's pointer, handed back as it came.
        let context = UInt(bitPattern: given.log_context)
        options.log = { line in
            log(Int32(line.level.rawValue), line.event, line.message, UnsafeMutableRawPointer(bitPattern: context))
        }
    }
    return options
}

/// Lines of `name=value`; others are nothing.
private func parts(_ text: String) -> [String: String] {
    var parts: [String: String] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
        let sides = line.split(separator: "=", maxSplits: 1).map(String.init)
        if sides.count == 2 { parts[sides[0]] = sides[1] }
    }
    return parts
}

private func tell(_ failure: LicenseClientError, _ error: UnsafeMutablePointer<coditect_error>?) {
    guard let error else { return }
    copy(failure.code.rawValue, into: &error.pointee.code)
    copy(failure.message, into: &error.pointee.message)
    copy(failure.next, into: &error.pointee.next)
    error.pointee.retry_after_seconds = failure.retryAfter?.components.seconds ?? -1
}

/// As much of the text as there is room for, never half a sign, and NUL.
private func copy<Room>(_ text: String, into room: inout Room) {
    withUnsafeMutableBytes(of: &room) { bytes in
        var used = 0
        for scalar in text.unicodeScalars {
            let encoded = Array(String(scalar).utf8)
            guard used + encoded.count < bytes.count else { break }
            for byte in encoded {
                bytes[used] = byte
                used += 1
            }
        }
        bytes[used] = 0
    }
}
