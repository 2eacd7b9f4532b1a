// A picture from the camera. It is a file like any other from there on.

const camera = { stream: null };

async function openCamera() {
  if (!navigator.mediaDevices) return $("capture").click();  // a page from a disk: the system's own camera, where it has one
  try {
    const wishes = { facingMode: "environment", width: { ideal: 1920 } };
    camera.stream = await navigator.mediaDevices.getUserMedia({ video: wishes });
  } catch (error) {
    return say(`The camera cannot be used: ${error.message}`, true);
  }
  $("finder").srcObject = camera.stream;
  $("camera").hidden = false;
  await $("finder").play();
}

function closeCamera() {
  for (const track of camera.stream?.getTracks() ?? []) track.stop();
  camera.stream = null;
  $("camera").hidden = true;
}

async function takePicture() {
  const video = $("finder"), canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  closeCamera();
  const now = new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");
  add([new File([blob], `camera-${now}.png`, { type: "image/png" })]);
}
