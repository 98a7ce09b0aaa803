import Foundation

func flushStandardOutput() { _ = fflush(nil) }
