"""Small files of each format, written by hand from the values that they must read back as."""

import base64
import binascii
import struct

import numpy as np


def codes(n=400, leads=2, seed=5):
    """Whole numbers with a beat every 80 samples, shape (leads, n)."""
    t = np.arange(n)
    beat = 300 * np.exp(-(((t % 80 - 40) / 3.0) ** 2))
    noise = np.random.default_rng(seed).integers(-6, 7, (leads, n))
    return (np.arange(1, leads + 1)[:, None] * beat + noise).astype(np.int64)


def ishne(values, fs=180, nanovolts=2500, leads=(5, 11)):
    """values: int16 codes of shape (leads, n)."""
    n_leads, n = values.shape
    pad = [-9] * (12 - n_leads)
    head = struct.pack("<iiiih40s40s20shh", 0, n, 522, 522, 1, b"", b"", b"p7", 0, 0)
    head += struct.pack("<3h3h3h3h", *[1] * 12) + struct.pack(
        "<h12h12h12h", n_leads, *leads, *pad, *[1] * 12, *[nanovolts] * n_leads, *pad
    )
    head += struct.pack("<h40sh80s80s88s", 0, b"", fs, b"", b"", b"")
    return b"ISHNE1.0\0\0" + head + values.T.astype("<i2").tobytes()


def _huffman(values):
    bits = ""
    for value in values.tolist():
        if value == 0:
            bits += "0"
        elif abs(value) <= 8:
            bits += "1" * abs(value) + "0" + ("1" if value < 0 else "0")
        elif -128 <= value <= 127:
            bits += "1111111110" + format(value & 0xFF, "08b")
        else:
            bits += "1111111111" + format(value & 0xFFFF, "016b")
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def _differences(row, order):
    out = row.copy()
    if order == 1:
        out[1:] = np.diff(row)
    if order == 2:
        out[2:] = row[2:] - 2 * row[1:-1] + row[:-2]
    return out


def scp(values, *, order=2, huffman=True, nanovolts=1000, step_us=2000, leads=(1, 2), beat=None, zones=(), fiducial=1):
    """values: codes of shape (leads, n); ``beat`` (leads, m) is taken out at ``zones`` (start, centre, end)."""
    n_leads, n = values.shape

    def block(rows):
        parts = [
            _huffman(_differences(row, order)) if huffman else _differences(row, order).astype("<i2").tobytes()
            for row in rows
        ]
        parts = [part + b"\0" * (len(part) % 2) for part in parts]
        head = struct.pack("<HHBB", nanovolts, step_us, order, 0) + struct.pack(f"<{n_leads}H", *map(len, parts))
        return head + b"".join(parts)

    bodies = {1: b"\xff\0\0\0"}
    if huffman:
        bodies[2] = struct.pack("<H", 19999)
    bodies[3] = bytes([n_leads, (beat is not None) | 4 | n_leads << 3]) + b"".join(
        struct.pack("<IIB", 1, n, lead) for lead in leads
    )
    if beat is not None:
        bodies[4] = struct.pack("<HHH", beat.shape[1] * step_us // 1000, fiducial, len(zones))
        bodies[4] += b"".join(struct.pack("<HIII", 0, *zone) for zone in zones)
        bodies[5] = block(beat)
    bodies[6] = block(values)
    at = 6 + 16 + 120
    pointers, sections = struct.pack("<HII", 0, 136, 7), b""
    for number in range(1, 12):
        body = bodies.get(number, b"")
        size = 16 + len(body) if body else 0
        pointers += struct.pack("<HII", number, size, at + 1 if body else 0)
        if body:
            sections += struct.pack("<HHIBB6s", 0, number, size, 20, 20, b"") + body
            at += size
    inside = struct.pack("<HHIBB6s", 0, 0, 136, 20, 20, b"SCPECG") + pointers + sections
    whole = struct.pack("<I", 6 + len(inside)) + inside
    return struct.pack("<H", binascii.crc_hqx(whole, 0xFFFF)) + whole


def _lzw(data):
    table = {bytes([i]): i for i in range(256)}
    bits, word = "", b""
    for byte in data:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
            continue
        bits += format(table[word], "010b")
        if len(table) < 1023:
            table[longer] = len(table)
        word = bytes([byte])
    bits += format(table[word], "010b") + "1" * 10
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def xli(row):
    """One lead as Philips packs it: second differences, high bytes, low bytes, LZW."""
    stored = np.zeros(len(row), np.int64)
    stored[:2] = row[:2]
    for i in range(2, len(row) - 1):
        stored[i] = 2 * row[i] - row[i - 1] - row[i + 1] + 64
    raw = stored.astype(">i2").tobytes()
    packed = _lzw(raw[0::2] + raw[1::2])
    first = int(2 * row[1] - row[0] - row[2])
    return struct.pack("<ihh", len(packed), 0, first) + packed


def philips(values, fs=500, microvolts=5):
    """values: codes of I, II, III, aVR, aVL, aVF, V1-V6, shape (12, n)."""
    stored = values.copy()
    one, two = values[0], values[1]
    stored[2] = two - one - values[2]
    stored[3] = -values[3] - (one + two) // 2
    stored[4] = (one - values[2]) // 2 - values[4]
    stored[5] = (two + values[2]) // 2 - values[5]
    data = base64.b64encode(b"".join(map(xli, stored))).decode()
    labels = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"
    n = values.shape[1]
    return f"""<?xml version="1.0"?><restingecgdata xmlns="http://www3.medical.philips.com">
<dataacquisition><signalcharacteristics><samplingrate>{fs}</samplingrate><resolution>{microvolts}</resolution>
<numberchannelsvalid>12</numberchannelsvalid></signalcharacteristics></dataacquisition>
<patient><generalpatientdata><patientid>p3</patientid></generalpatientdata></patient>
<waveforms><parsedwaveforms dataencoding="Base64" compression="XLI" numberofleads="12" leadlabels="{labels}"
durationperchannel="{n * 1000 // fs}" samplespersecond="{fs}" resolution="{microvolts}">{data}</parsedwaveforms>
</waveforms>
</restingecgdata>""".encode()


def muse(rows, fs=250, microvolts=4.88):
    """rows: codes by lead."""
    leads = "".join(
        f"<LeadData><LeadID>{name}</LeadID><LeadAmplitudeUnitsPerBit>{microvolts}</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadSampleSize>2</LeadSampleSize>"
        f"<WaveFormData>{base64.b64encode(row.astype('<i2').tobytes()).decode()}\n</WaveFormData></LeadData>"
        for name, row in rows.items()
    )
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>
<PatientDemographics><PatientID>p5</PatientID></PatientDemographics>
<Waveform><WaveformType>Median</WaveformType></Waveform>
<Waveform><WaveformType>Rhythm</WaveformType><SampleBase>{fs}</SampleBase><SampleExponent>0</SampleExponent>{leads}
</Waveform></RestingECG>""".encode()


def aecg(rows, step_ms=4, scale=2.5, origin=0):
    """rows: codes by lead, in steps of ``scale`` uV above ``origin``."""
    leads = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{name}"/><value><origin value="{origin}" unit="uV"/>'
        f'<scale value="{scale}" unit="uV"/><digits>{" ".join(map(str, row.tolist()))}</digits>'
        "</value></sequence></component>"
        for name, row in rows.items()
    )
    time = (
        f'<code code="TIME_ABSOLUTE"/><value><head value="20240101"/><increment value="{step_ms}" unit="ms"/></value>'
    )
    series = f"<sequenceSet><component><sequence>{time}</sequence></component>{leads}</sequenceSet>"
    return f"""<?xml version="1.0"?><!-- <gpx> -->
<AnnotatedECG xmlns="urn:hl7-org:v3"><trialSubject><id extension="s9"/>
</trialSubject><component><series><code code="RHYTHM"/><component>{series}</component></series></component>
</AnnotatedECG>""".encode()


_CRC = [
    0,
    0xCC01,
    0xD801,
    0x1400,
    0xF001,
    0x3C00,
    0x2800,
    0xE401,
    0xA001,
    0x6C00,
    0x7800,
    0xB401,
    0x5000,
    0x9C01,
    0x8801,
    0x4400,
]


def _fit_crc(data):
    crc = 0
    for byte in data:
        for nibble in (byte & 15, byte >> 4):
            crc = (crc >> 4 & 0x0FFF) ^ _CRC[crc & 15] ^ _CRC[nibble]
    return crc


def fit(points):
    """points: (seconds since 1989-12-31, heart rate, speed in mm/s, altitude in m)."""
    fields = [(253, 4, 0x86), (3, 1, 0x02), (6, 2, 0x84), (2, 2, 0x84)]
    body = struct.pack("<BBBHB", 0x40, 0, 0, 0, 1) + bytes([0, 1, 0])  # file_id, type
    body += bytes([0, 4])
    body += struct.pack("<BBBHB", 0x41, 0, 0, 20, len(fields)) + b"".join(bytes(field) for field in fields)
    for second, rate, speed, altitude in points:
        body += struct.pack("<BIBHH", 1, second, rate, speed, round((altitude + 500) * 5))
    head = struct.pack("<BBHI4s", 14, 0x10, 2132, len(body), b".FIT")
    head += struct.pack("<H", _fit_crc(head))
    return head + body + struct.pack("<H", _fit_crc(head + body))


def tcx(points):
    """points: (seconds, heart rate, metres)."""
    track = "".join(
        f"<Trackpoint><Time>2024-03-01T08:{s // 60:02d}:{s % 60:02d}Z</Time><DistanceMeters>{d}</DistanceMeters>"
        f"<HeartRateBpm><Value>{r}</Value></HeartRateBpm></Trackpoint>"
        for s, r, d in points
    )
    return f"""<?xml version="1.0"?><TrainingCenterDatabase xmlns="x">
<Activities><Activity Sport="Running"><Lap><Track>{track}
</Track></Lap></Activity></Activities></TrainingCenterDatabase>""".encode()


def gpx(points):
    """points: (seconds, latitude, metres up, heart rate)."""
    track = "".join(
        f'<trkpt lat="{lat}" lon="8"><ele>{up}</ele><time>2024-03-01T08:{s // 60:02d}:{s % 60:02d}Z</time>'
        f"<extensions><a:TrackPointExtension><a:hr>{r}</a:hr></a:TrackPointExtension></extensions></trkpt>"
        for s, lat, up, r in points
    )
    return f"""<?xml version="1.0"?><gpx xmlns="g" xmlns:a="b"><trk><trkseg>{track}</trkseg></trk></gpx>""".encode()


def healthkit(points):
    """points: (ISO date and time, heart rate)."""
    records = "".join(
        f'<Record type="HKQuantityTypeIdentifierHeartRate" unit="count/min" startDate="{when} +0000" value="{rate}"/>'
        for when, rate in points
    )
    other = '<Record type="HKQuantityTypeIdentifierStepCount" startDate="x" value="y"/>'
    return f"""<?xml version="1.0"?><!DOCTYPE HealthData [
<!ELEMENT HealthData ANY><!ATTLIST HealthData locale CDATA #IMPLIED>]>
<HealthData locale="en">{other}{records}{other}</HealthData>""".encode()


def hrm(rows, smode="000000000", interval=5):
    body = "\n".join("\t".join(map(str, row)) for row in rows)
    return f"[Params]\nVersion=106\nSMode={smode}\nInterval={interval}\n\n[Note]\n\n[HRData]\n{body}\n".encode()


def dicom(values, fs=500, sensitivity=2.5, names=("Lead I (Einthoven)", "Lead II")):
    """values: codes of shape (leads, n)."""
    import io

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage

    wave = Dataset()
    wave.NumberOfWaveformChannels, wave.NumberOfWaveformSamples = values.shape
    wave.SamplingFrequency = fs
    wave.WaveformBitsAllocated, wave.WaveformSampleInterpretation = 16, "SS"
    wave.WaveformData = values.T.astype("<i2").tobytes()
    wave.ChannelDefinitionSequence = []
    for name in names:
        channel, source, unit = Dataset(), Dataset(), Dataset()
        source.CodeMeaning, unit.CodeValue = name, "uV"
        channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = [source], [unit]
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = (
            sensitivity,
            1,
            0,
        )
        channel.WaveformBitsStored = 16
        wave.ChannelDefinitionSequence.append(channel)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = TwelveLeadECGWaveformStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    data.PatientID, data.Modality, data.WaveformSequence = "p11", "ECG", [wave]
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def edf(signals, *, annotations=()):
    """signals: (label, unit, fs, values in -1000..1000)."""
    import edfio

    made = [
        edfio.EdfSignal(
            np.asarray(values, float), fs, label=label, physical_dimension=unit, physical_range=(-1000, 1000)
        )
        for label, unit, fs, values in signals
    ]
    return edfio.Edf(made, annotations=[edfio.EdfAnnotation(*mark) for mark in annotations]).to_bytes()


def hdf5(write):
    import io

    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        write(h5)
    return file.getvalue()
